"""What common tools write is taken: byte order marks, `}{`, gzip, KPL, CBOR, an empty content hash, HTTP/1.0 that keeps its connection (ab -k)."""
import gzip
import struct

import boto3
import requests
from botocore.config import Config
from harness import *
from peer_servers import program

CBOR = "application/x-amz-cbor-1.1"


def text(value, major=0x60):
    raw = value if isinstance(value, bytes) else value.encode()
    if len(raw) < 24:
        return bytes([major + len(raw)]) + raw
    return bytes([major + 25]) + struct.pack(">H", len(raw)) + raw


def with_length(tag, raw):
    length, out = len(raw), bytes([tag])
    while length >= 0x80:
        out, length = out + bytes([length & 0x7F | 0x80]), length >> 7
    return out + bytes([length]) + raw


def aggregated(*records):
    message = with_length(0x0A, b"key") + b"".join(with_length(0x1A, b"\x08\x00" + with_length(0x1A, one)) for one in records)
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def run(folder):
    server = Server(folder / "data").wait_ready()
    sink = Sink()
    server.add_stream(sink.url)
    sent = []

    def fresh():
        sent.append(event(len(sent)))
        return producer_form(*sent[-1]).encode()

    # The JSON door, by python-requests and curl.
    url = server.url + "/api/v1/events"

    def post(body, expect=200, **headers):
        answer = requests.post(url, data=body, timeout=30, headers={"Authorization": "Bearer " + server.token(), "Content-Type": "application/json",
                                                                   **{name.replace("_", "-"): value for name, value in headers.items()}})
        assert answer.status_code == expect, (answer.status_code, answer.text)
        return answer.json()

    taken = post(b"\xef\xbb\xbf" + fresh() + b"\n" + fresh(), Content_Type="application/x-ndjson")
    assert taken == {"accepted": 2, "rejected": []}, taken
    assert post(fresh() + fresh(), Content_Type="application/json; charset=utf8")["accepted"] == 2
    assert post(b"\x1e" + fresh() + b"\n\x1e" + fresh() + b"\n", Content_Type="application/json-seq")["accepted"] == 2
    assert post(gzip.compress(b"\n".join(fresh() for _ in range(50))), Content_Encoding="gzip")["accepted"] == 50
    none = post(b'[{"a":1},2]', 422)
    assert none["type"].endswith(":none-accepted") and none["accepted"] == 0 and [r["index"] for r in none["rejected"]] == [0, 1], none
    assert "gzip, zstd" in post(b"x", 415, Content_Encoding="br")["detail"]
    post(b"[" + b"1," * 5_000_000 + b"1]", 413)

    (folder / "marked.ndjson").write_bytes(b"\xef\xbb\xbf" + fresh() + b"\n" + fresh() + fresh() + b"\n")
    emitted = millrace("emit", folder / "marked.ndjson", "--to", server.url, "--token", server.token())
    assert "Sent 3 events." in emitted.stdout, emitted.stdout
    curl = subprocess.run(["curl", "-sS", "--http1.0", "-H", "Authorization: Bearer " + server.token(), "--data-binary", "@-", "-H",
                           "Content-Type: application/json", url, url], input=fresh(), capture_output=True, check=False)
    sent.append(sent[-1])  # curl sends it to both addresses
    assert curl.stdout.count(b'{"accepted":1,"rejected":[]}') == 2, (curl.stdout, curl.stderr)

    # Kinesis, by boto3.
    key, secret = server.add_access_key()
    kinesis = boto3.client("kinesis", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret,
                           config=Config(retries={"max_attempts": 1}))
    packed = [gzip.compress(fresh()), aggregated(fresh(), fresh(), gzip.compress(fresh())), b"\xef\xbb\xbf" + fresh()]
    answer = kinesis.put_records(StreamName="live-events", Records=[{"Data": one, "PartitionKey": "1"} for one in packed])
    assert answer["FailedRecordCount"] == 0, answer
    letters = [kinesis.put_record(StreamName="live-events", Data=b"no event", PartitionKey="1") for _ in range(3)]
    assert len({one["SequenceNumber"] for one in letters}) == 3, letters
    assert letters[0]["ResponseMetadata"]["HTTPHeaders"]["millrace-dead-letters"] == "1"

    # Kinesis in CBOR, and with an empty hash of the body, by hand.
    def put(body, **more):
        headers = signed_headers(f"{server.host}:{server.port}", body, "PutRecord", key, secret, more=more)
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()

    fields = [text("StreamName"), text("live-events"), text("Data"), text(fresh(), 0x40), text("PartitionKey"), text("1")]
    status, kind, body = put(b"\xbf" + b"".join(fields) + b"\xff", **{"content-type": CBOR})
    assert status == 200 and kind == CBOR and body.startswith(b"\xa2" + text("ShardId")), (status, kind, body)
    status, kind, body = put(b"\xbf" + b"".join(fields), **{"content-type": CBOR})
    assert status == 400 and kind == CBOR and text("SerializationException") in body.replace(b"\x78\x16", b"\x76"), body
    record = json.dumps({"StreamName": "live-events", "Data": base64.b64encode(fresh()).decode(), "PartitionKey": "1"}).encode()
    assert put(record, **{"x-amz-content-sha256": ""})[0] == 200

    wait_for("every event", lambda: len(sink.ids()) == len(sent))
    assert sorted(d["body"].decode() for d in sink.all()) == sorted(delivered_form(*one) for one in sent)

    # Ten requests each over two HTTP/1.0 connections that are kept.
    ab, environment = program("apache2-utils", "ab")
    (folder / "one.json").write_bytes(producer_form(*event(1000)).encode())
    run = subprocess.run([ab, "-k", "-s", "20", "-n", "20", "-c", "2", "-T", "application/json", "-H", "Authorization: Bearer " + server.token(), "-p",
                          str(folder / "one.json"), url], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0 and re.search(r"Keep-Alive requests: +20\b", run.stdout) and "Non-2xx" not in run.stdout, (run.stdout, run.stderr)
    assert server.stop() == 0


story(run)
