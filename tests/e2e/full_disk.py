"""A disk that fills up: ingest is refused in time and in Canvas's words, what was accepted stays, and it recovers by itself."""
import subprocess

from harness import *

SETTINGS = {"MILLRACE_STORE_LEAST_FREE_BYTES": "16MiB", "MILLRACE_STORE_RESERVE_BYTES": "8MiB", "MILLRACE_INGEST_HOLD": "200ms"}


def run(folder):
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode != 0:
        skip("mounting a small disk needs root")
    atexit.register(lambda: subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True))
    server = Server(disk / "data", environment=SETTINGS).wait_ready()
    sink = Sink(keep_bodies=False)
    stream = server.add_stream(sink.url)
    token = server.call("POST", "/api/v1/tokens", {"name": "sis", "role": "producer", "accounts": [ACCOUNT]}, expect=201)[1]["token"]

    filler = disk / "filler"
    accepted = 0

    def post(number):
        lines = "\n".join(producer_form(*event(number * 50 + i)) for i in range(50))
        return server.call("POST", "/api/v1/events", lines.encode(), token=token, headers={"Content-Type": "application/x-ndjson"})

    assert post(0)[0] == 200
    accepted += 50
    space = os.statvfs(disk)
    filler.write_bytes(b"\0" * (space.f_bavail * space.f_frsize - 3 * 1024 * 1024))
    status, problem = wait_for("a refusal below the watermark", lambda: (a := post(1)) and (a if a[0] != 200 else None))
    assert status == 503 and "nearly full" in json.dumps(problem), (status, problem)
    status, problem = server.call("GET", "/readyz", token="")
    assert status == 503 and "nearly full" in json.dumps(problem), (status, problem)
    key, secret = server.add_access_key()
    body = json.dumps({"StreamName": "live-events", "Records": [{"Data": base64.b64encode(producer_form(*event(9)).encode()).decode(), "PartitionKey": "1"}]}).encode()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("POST", "/", body, signed_headers(f"{server.host}:{server.port}", body, "PutRecords", key, secret))
    record = json.loads(connection.getresponse().read())["Records"][0]
    assert record["ErrorCode"] == "InternalFailure", record

    # Killed while nothing at all is free: the reserve of the process before is what the next one starts with.
    with open(filler, "ab", buffering=0) as rest:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    rest.write(b"x" * size)
            except OSError:
                pass
    server.process.kill()
    server.process.wait()
    assert (disk / "data/reserve.bin").exists()
    server = Server(disk / "data", environment=SETTINGS).wait_ready()
    assert server.call("GET", "/readyz", token="")[0] == 503

    filler.unlink()
    wait_for("readiness after space is back", lambda: server.call("GET", "/readyz", token="")[0] == 200)
    wait_for("acceptance after space is back", lambda: post(2)[0] == 200)
    wait_for("delivery of what was accepted", lambda: len(sink.ids()) >= accepted + 50)
    assert server.health(stream["id"])["undelivered"] == 0
    assert server.stop() == 0


story(run)
