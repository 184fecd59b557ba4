"""A folder of the version before (its process was killed: streams, retries, undelivered events, a log) opens, has all of it, and goes on."""
import tarfile

from harness import *

GOLDEN = ROOT / "tests/golden/folders/layout-1-killed.tar.xz"
SMALL = {"MILLRACE_STORE_RESERVE_BYTES": "0"}


def run(folder):
    data = folder / "data"
    data.mkdir()
    with tarfile.open(GOLDEN) as packed:
        packed.extractall(data)
    about = json.loads((data / "about.json").read_text())
    server = Server(data, environment=SMALL).wait_ready()

    done = server.health(about["stream"])
    assert done["counters"] == about["stream_counters"] and done["waiting"] == 0, done
    assert server.call("GET", f"/api/v1/data_streams/{about['off']}")[1]["state"] == "deactivated"
    assert server.call("GET", "/api/v1/data_streams", token=about["revoked_token"])[0] == 401
    for stream in ("failing", "caliper"):
        health = server.health(about[stream])
        counters, before = health["counters"], about[stream + "_counters"]
        assert counters["matched"] == before["matched"] and counters["lost"] == 0, counters
        assert health["undelivered"] >= about[stream + "_undelivered"], health
        assert counters["matched"] == counters["delivered"] + counters["undelivered"] + counters["skipped"] + health["waiting"], health
        # Those that wait for another try are under way, wait, or have become undelivered meanwhile: none is gone.
        assert health["waiting"] + counters["undelivered"] == before["matched"], health
        kept = server.call("GET", f"/api/v1/data_streams/{about[stream]}/undelivered?limit=1000", expect=200)[1]["items"]
        assert len(kept) >= about[stream + "_undelivered"], len(kept)

    status, answer = server.call("POST", "/api/v1/events", producer_form(*event(1)).encode() + b"\n",
                                 headers={"Content-Type": "application/x-ndjson"})
    assert status in (200, 201, 202), (status, answer)
    wait_for("the new event is counted", lambda: server.health(about["failing"])["counters"]["matched"] == 41)
    assert server.stop() == 0
    again = Server(data, environment=SMALL).wait_ready()
    assert again.health(about["failing"])["counters"]["matched"] == 41
    assert again.stop() == 0


story(run)
