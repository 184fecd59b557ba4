"""The recorded bytes of Canvas's own client are accepted, to the byte and at their own time (faketime)."""
import socket

from harness import *

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # AWS's documentation examples


def exchange(server, request):
    """Sends the bytes as they are; answers (status, body)."""
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(request)
        file = connection.makefile("rb")
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, file.read(length)


def own_request(server, operation, body, now):
    """A request in the form of Canvas's Ruby client: its header order, an empty Accept-Encoding, the SDK's invocation id signed."""
    headers = signed_headers("127.0.0.1:24600", body, operation, KEY, SECRET, now, {"amz-sdk-invocation-id": "3f0c7e0a-own-fixture"})
    lines = ["POST / HTTP/1.1", "Accept-Encoding: ", "Amz-Sdk-Invocation-Id: 3f0c7e0a-own-fixture", "Content-Type: application/x-amz-json-1.1",
             f"X-Amz-Target: {headers['x-amz-target']}", "User-Agent: aws-sdk-ruby3/3.211.0", "Host: 127.0.0.1:24600", f"X-Amz-Date: {headers['x-amz-date']}",
             f"X-Amz-Content-Sha256: {headers['x-amz-content-sha256']}", f"Authorization: {headers['authorization']}", f"Content-Length: {len(body)}",
             "Accept: */*", "", ""]
    return "\r\n".join(lines).encode() + body


def run(folder):
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        skip("faketime is not installed (tools/packages.txt)")
    at = datetime.datetime(2026, 11, 21, 19, 24, 27)
    # libfaketime comes before the sanitizer's runtime, which then must not insist on being first. Time stands still but for waits.
    server = Server(folder / "data", environment={
        "LD_PRELOAD": str(library), "FAKETIME": "@2026-11-21 19:24:27", "TZ": "UTC", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0:allocator_release_to_os_interval_ms=-1"}).wait_ready()
    sink = Sink()
    server.add_stream(sink.url, account=ACCOUNT)
    server.call("POST", "/api/v1/access_keys", {"accounts": ["*"], "access_key_id": KEY, "secret_access_key": SECRET}, expect=201)

    metadata, body = event(1)
    records = [{"Data": base64.b64encode(producer_form(metadata, body).encode()).decode(), "PartitionKey": "9d2f6c1e"}]
    request = own_request(server, "PutRecords", json.dumps({"StreamName": "live-events", "Records": records}).encode(), at)
    for _ in range(2):  # the second is the SDK's repeat: answered alike, stored once
        status, answer = exchange(server, request)
        assert status == 200 and json.loads(answer)["FailedRecordCount"] == 0, answer
    wait_for("the delivery", sink.all)
    assert [d["body"].decode() for d in sink.all()] == [delivered_form(metadata, body)]
    status, answer = exchange(server, own_request(server, "DescribeStream", b'{"StreamName":"live-events","Limit":1}', at))
    assert status == 200 and json.loads(answer)["StreamDescription"]["StreamStatus"] == "ACTIVE", answer

    recorded = sorted((SHARED / "wire/captures/kinesis").glob("ruby-aws-sdk-*/*.req.bin"))
    if not recorded:
        print("the recorded requests are not here: only the project's own were sent")
    for file in recorded:
        status, answer = exchange(server, file.read_bytes())
        assert status == 200, (file.name, status, answer[:300])
        if "PutRecords" in file.name:
            assert json.loads(answer)["FailedRecordCount"] == 0, (file.name, answer[:300])
    letters = server.call("GET", "/api/v1/dead_letters?limit=1000", expect=200)[1]["items"]
    assert not recorded or len(letters) >= 600, "records that are no events, or without an account, are kept as dead letters"
    assert server.stop() == 0


story(run)
