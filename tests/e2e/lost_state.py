"""A folder of the first layout opens with all that it had; an older, missing or cut state.db is refused, and accepted only by a file."""
import tarfile

from harness import *

GOLDEN = ROOT / "tests/golden/folders/layout-1.tar.xz"
SMALL = {"MILLRACE_STORE_RESERVE_BYTES": "0"}


def unpacked(folder):
    data = folder / "data"
    data.mkdir()
    with tarfile.open(GOLDEN) as packed:
        packed.extractall(data)
    return data, json.loads((data / "about.json").read_text())


def refused(data, *words):
    """The start ends with a fault and one line that has `words`, and admin.token is as it was."""
    token = (data / "admin.token").read_bytes()
    server = Server(data, environment=SMALL)
    assert server.process.wait(60) == 3
    said = server.log_path.read_text()[server.start_of_log:].strip().splitlines()[-1]
    for word in (*words, "backup", "accept-lost-state"):
        assert word in said, (word, said)
    assert (data / "admin.token").read_bytes() == token


def state_of(data):
    return {name: (data / name).read_bytes() for name in ("state.db", "state.db-wal") if (data / name).exists()}


def put_state(data, files):
    for name in ("state.db", "state.db-wal"):
        (data / name).unlink(missing_ok=True)
    for name, content in files.items():
        (data / name).write_bytes(content)


def run(folder):
    data, about = unpacked(folder)
    server = Server(data, environment=SMALL).wait_ready()
    health = server.health(about["stream"])
    assert health["counters"]["delivered"] == about["events"] and health["waiting"] == 0, health
    assert server.call("GET", f"/api/v1/data_streams/{about['off']}")[1]["state"] == "deactivated"
    assert server.call("GET", "/api/v1/data_streams", token=about["revoked_token"])[0] == 401
    attempts = server.call("GET", f"/api/v1/data_streams/{about['stream']}/attempts?limit=1000", expect=200)[1]["items"]
    assert len(attempts) == about["events"], len(attempts)

    made = server.call("POST", "/api/v1/tokens", {"name": "leaver", "role": "viewer", "accounts": [ACCOUNT]}, expect=201)[1]
    server.process.kill()
    server.process.wait()
    before = state_of(data)
    server = Server(data, environment=SMALL).wait_ready()
    server.call("DELETE", f"/api/v1/tokens/{made['id']}")
    server.call("DELETE", f"/api/v1/data_streams/{about['off']}")
    server.process.kill()
    server.process.wait()
    newest = state_of(data)

    put_state(data, before)
    refused(data, "is older than it was")
    flipped = bytearray(newest["state.db-wal"])
    flipped[100] ^= 1
    put_state(data, {**newest, "state.db-wal": bytes(flipped)})
    refused(data, "state.db-wal: is damaged")
    put_state(data, {})
    refused(data, "state.db: is missing")
    put_state(data, {"state.db": b""})
    refused(data, "state.db: is empty")
    put_state(data, {"state.db": newest["state.db"][:50_000]})
    refused(data, "state.db")

    put_state(data, newest)
    server = Server(data, environment=SMALL).wait_ready()
    assert server.call("GET", "/api/v1/data_streams", token=made["token"])[0] == 401
    assert server.call("GET", f"/api/v1/data_streams/{about['off']}")[0] == 404
    old_token = server.token()
    assert server.stop() == 0

    put_state(data, {})
    (data / "accept-lost-state").touch()
    server = Server(data, environment=SMALL).wait_ready()
    assert server.call("GET", "/api/v1/data_streams", token=old_token)[0] == 401
    assert server.call("GET", "/api/v1/data_streams", expect=200)[1]["items"] == []
    kept = [path for path in data.iterdir() if path.name.startswith("admin.token.before-")]
    assert len(kept) == 1 and kept[0].read_text().strip() == old_token and not (data / "accept-lost-state").exists()
    assert server.stop() == 0
    Server(data, environment=SMALL).wait_ready()


story(run)
