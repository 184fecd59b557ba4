"""The longest that one handler keeps a loop, case by case: the largest requests of each form, and what grows with streams and attempts."""
import base64
import gzip
import http.client
import json
import re
import struct
import subprocess

from shared import ACCOUNT, QUICK, add_streams, load, pause, producer_token, server, signed_headers

MOST = 14 * 1024 * 1024


def events(count, size):
    pad = "x" * size
    return [json.dumps({"attributes": {"event_name": "asset_accessed", "root_account_uuid": ACCOUNT, "n": i}, "body": {"pad": pad}}, separators=(",", ":")).encode()
            for i in range(count)]


def put_json(records):
    return json.dumps({"StreamName": "live-events", "Records": [{"Data": base64.b64encode(r).decode(), "PartitionKey": "1"} for r in records]}, separators=(",", ":")).encode()


def cbor(kind, number):
    return struct.pack(">BI", kind << 5 | 26, number)


def put_cbor(records):
    def text(word):
        return cbor(3, len(word)) + word

    def record(data):
        return cbor(5, 2) + text(b"Data") + cbor(2, len(data)) + data + text(b"PartitionKey") + text(b"1")
    return cbor(5, 2) + text(b"StreamName") + text(b"live-events") + text(b"Records") + cbor(4, len(records)) + b"".join(map(record, records))


def zstandard(body):
    return subprocess.run(["zstd", "-q", "-c"], input=body, capture_output=True, check=True).stdout


class Cases:
    def __init__(self, millrace):
        self.millrace = millrace
        self.token = millrace.token()
        self.key, self.secret = millrace.add_access_key()

    def ask(self, method, path, body=None, headers=None, expect=(200,)):
        connection = http.client.HTTPConnection(self.millrace.host, self.millrace.port, timeout=120)
        connection.request(method, path, body, headers or {"Authorization": "Bearer " + self.token})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status not in expect:
            raise AssertionError(f"{method} {path}: {answer.status}: {text[:300]!r}")
        return text

    def longest(self):
        """Milliseconds, since the last time that it was asked: of the loops of requests, and of the node's own."""
        text = self.ask("GET", "/metrics").decode()
        found = re.findall(r'millrace_loop_longest_handler_seconds\{loop="(\w+)"\} (\S+)', text)
        return max(float(v) for name, v in found if name != "node") * 1e3, max(float(v) for name, v in found if name == "node") * 1e3

    def case(self, name, action, rounds=3):
        self.longest()
        for _ in range(1 if QUICK else rounds):
            action()
            pause(0.3)  # what follows in the background counts as well
        loops, node = self.longest()
        print(f"| {name} | {loops:.1f} | {node:.1f} |", flush=True)

    def put(self, body, kind="application/x-amz-json-1.1"):
        headers = signed_headers(f"127.0.0.1:{self.millrace.port}", body, "PutRecords", self.key, self.secret, more={"content-type": kind})
        self.ask("POST", "/", body, headers)

    def post(self, body, producer, kind="application/x-ndjson", **more):
        self.ask("POST", "/api/v1/events", body, {"Authorization": "Bearer " + producer, "Content-Type": kind, **more}, expect=(200, 400, 422))


def loop(folder):
    millrace = server(folder)
    producer = producer_token(millrace)
    cases = Cases(millrace)
    print("| case | loops: longest ms of processor | node's own loop |\n| --- | --- | --- |")
    cases.case("nothing", lambda: None)
    many, few = events(10_000, 900), events(9, 1_040_000)
    cases.case("PutRecords, 10,000 records, 14 MiB", lambda: cases.put(put_json(many)))
    cases.case("PutRecords, 9 records of 1 MiB", lambda: cases.put(put_json(few)))
    cases.case("PutRecords, CBOR, 10,000 records", lambda: cases.put(put_cbor(events(10_000, 1250)), "application/x-amz-cbor-1.1"))
    cases.case("PutRecords, 10,000 dead letters", lambda: cases.put(put_json([b"x" * 1000] * 10_000)))
    cases.case("PutRecords, records of empty gzip members", lambda: cases.put(put_json([gzip.compress(b"") * 50_000] * 9)))
    lines = b"\n".join(events(10_000, 1300))
    cases.case("NDJSON, 10,000 events, 14 MiB", lambda: cases.post(lines, producer))
    cases.case("the same in gzip", lambda: cases.post(gzip.compress(lines, 1), producer))
    cases.case("the same in zstd", lambda: cases.post(zstandard(lines), producer))
    cases.case("the same with an Idempotency-Key", lambda: cases.post(lines, producer, **{"Idempotency-Key": "k"}))
    array = b"[" + b",".join(events(13, 1_040_000)) + b"]"
    cases.case("array of 13 events of 1 MiB", lambda: cases.post(array, producer, "application/json"))
    brackets = b'{"attributes":{"event_name":"a","root_account_uuid":"%s"},"body":{"a":[%s1]}}' % (ACCOUNT.encode(), b"1," * 520_000)
    cases.case("array of 13 events of 520,000 numbers", lambda: cases.post(b"[" + b",".join([brackets] * 13) + b"]", producer, "application/json"))
    cases.case("14 MiB of blanks", lambda: cases.post(b" " * MOST, producer))
    refused = b'["x"' + b',"x"' * 9_998 + b"]"
    cases.case("10,000 refused events", lambda: cases.post(refused, producer, "application/json"))
    cases.case("10,000 types that are made up", lambda: cases.post(b"\n".join(e.replace(b"asset_accessed", b"made_up_%d" % i) for i, e in enumerate(events(10_000, 100))), producer))

    count = 200 if QUICK else 1_000
    streams = add_streams(millrace, ["http://127.0.0.1:1/"] * count, ["logged_in"])
    pause(3)
    cases.case(f"metrics with {count:,} streams", lambda: cases.ask("GET", "/metrics"))
    cases.case(f"list of {count:,} streams", lambda: cases.ask("GET", "/api/v1/data_streams?limit=1000"))
    cases.case("list of 1,000 dead letters", lambda: cases.ask("GET", "/api/v1/dead_letters?limit=1000"))
    cases.case(f"a batch that {count:,} streams select", lambda: load(millrace, producer, 1_000, 1, batch=100))
    cases.case("list of 1,000 attempts", lambda: cases.ask("GET", f"/api/v1/data_streams/{streams[0]}/attempts?limit=1000"))
    cases.case("search in attempts for what is not there", lambda: cases.ask("GET", f"/api/v1/data_streams/{streams[0]}/attempts?event_type=never&limit=1000"))
    millrace.kill()
