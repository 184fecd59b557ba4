#!/usr/bin/env python3
"""Runs one question of bench/README.md and prints Markdown rows.   usage: bench/run.py QUESTION [--quick]"""
import base64
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("MILLRACE_BUILD", ROOT / "build/bench"))
os.environ.setdefault("MILLRACE", str(BUILD / "bin/millrace"))
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness import ACCOUNT, Folder, Process, Server, Tls, event, producer_form, signed_headers, wait_for  # noqa: E402

QUICK = "--quick" in sys.argv
TICK = os.sysconf("SC_CLK_TCK")


def tool(name):
    return str(BUILD / f"bin/bench_{name}")


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def pinned(core, *command):
    return ["taskset", "-c", str(core), *command]


class SinkProgram:
    def __init__(self, folder, core=1, tls=None, reconcile=False):
        command = [tool("sink"), "--port", "0"]
        if tls:
            command += ["--tls", "--cert", tls.certificate, "--key", tls.key]
        if reconcile:
            command.append("--reconcile")
        self.process = subprocess.Popen(pinned(core, *command), stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{self.port}/events"

    def report(self, end=False):
        self.process.send_signal(signal.SIGTERM if end else signal.SIGUSR1)
        words = self.process.stdout.readline().split()
        if end:
            self.process.wait()
        return {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)}


def server(folder, *flags, core=0, environment=None, wrap=None):
    return Server(folder / "data", *flags, wrap=pinned(core) if wrap is None else wrap,
                  environment=dict(environment or {}, MILLRACE_SERVER_LOOPS="1")).wait_ready()


def producer_token(millrace):
    return millrace.call("POST", "/api/v1/tokens", {"name": "bench", "role": "producer", "accounts": [ACCOUNT]}, expect=201)[1]["token"]


def load(millrace, token, rate, seconds, batch=10, core=1, first=0, connections=32):
    run = subprocess.run(pinned(core, tool("load"), "--port", str(millrace.port), "--token", token, "--account", ACCOUNT, "--rate", str(rate), "--seconds",
                                str(seconds), "--batch", str(batch), "--first", str(first), "--connections", str(connections)),
                         capture_output=True, text=True, check=True)
    words = run.stdout.split()
    return {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)}


def wrk(port, script, seconds, connections=64):
    run = subprocess.run(pinned(1, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"),
                         capture_output=True, text=True, check=True)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", run.stdout)
    p99 = re.search(r"99%\s+([\d.]+\w+)", run.stdout).group(1)
    return rate, int(bad.group(1)) if bad else 0, p99


def lua(path, target, headers, body_file):
    headers = {("Host" if k == "host" else k): v for k, v in headers.items()}
    lines = "\n".join(f'wrk.headers["{k}"] = "{v}"' for k, v in headers.items())
    path.write_text(f'wrk.method = "POST"\nwrk.path = "{target}"\n{lines}\nwrk.body = io.open("{body_file}"):read("*a")\n')
    return path


def events_file(folder, number):
    one = subprocess.run([tool("load"), "--print", "--account", ACCOUNT], capture_output=True, text=True, check=True).stdout
    path = folder / f"{number}.ndjson"
    path.write_text((one + "\n") * number)
    return path, one


def ingest(folder):
    print("| batch | null handler (events/s) | NDJSON durable | ratio | Kinesis durable | ratio | p99 NDJSON |\n| --- | --- | --- | --- | --- | --- | --- |")
    seconds = 2 if QUICK else 6
    for batch in (1, 10, 100, 500):
        body, one = events_file(folder, batch)
        sink = SinkProgram(folder, core=0)
        null, _, _ = wrk(sink.port, lua(folder / "null.lua", "/events", {}, body), seconds)
        sink.report(end=True)
        millrace = server(folder)
        token = producer_token(millrace)
        json_rate, bad_json, p99 = wrk(millrace.port, lua(folder / "json.lua", "/api/v1/events", {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}, body), seconds)
        key, secret = millrace.add_access_key()
        records = [{"Data": base64.b64encode(one.replace('{"metadata"', '{"attributes"', 1).encode()).decode(), "PartitionKey": "1"}] * batch
        put = folder / f"{batch}.put.json"
        put.write_text(json.dumps({"StreamName": "live-events", "Records": records}))
        headers = signed_headers(f"127.0.0.1:{millrace.port}", put.read_bytes(), "PutRecords", key, secret)
        kinesis_rate, bad_kinesis, _ = wrk(millrace.port, lua(folder / "kinesis.lua", "/", headers, put), seconds)
        millrace.stop()
        subprocess.run(["rm", "-rf", str(folder / "data")], check=True)
        note = f" ({bad_json}+{bad_kinesis} refused)" if bad_json + bad_kinesis else ""
        print(f"| {batch} | {null * batch:,.0f} | {json_rate * batch:,.0f}{note} | {json_rate / null:.2f} | {kinesis_rate * batch:,.0f} | {kinesis_rate / null:.2f} | {p99} |", flush=True)


def deliver(folder, tls, sign, events):
    """Stores a backlog, then measures the server's CPU while it goes out. Answers (CPU-us an event, events/s, raw client's CPU-us)."""
    sink = SinkProgram(folder, core=1, tls=tls)
    environment = {"MILLRACE_DELIVERY_EXTRA_CA": tls.authority} if tls else {}
    millrace = server(folder, environment=environment)
    token = producer_token(millrace)
    stream = millrace.add_stream(sink.url, sign=sign)["id"]
    millrace.call("POST", f"/api/v1/data_streams/{stream}/deactivate", expect=200)
    load(millrace, token, 50_000, events / 50_000, batch=100)
    before = cpu_of(millrace.process.pid)
    start = time.monotonic()
    millrace.call("POST", f"/api/v1/data_streams/{stream}/activate", {"from": "stop"}, expect=200)
    wait_for("the backlog is out", lambda: millrace.health(stream)["waiting"] == 0, 600)
    took = time.monotonic() - start
    cpu = cpu_of(millrace.process.pid) - before
    delivered = sink.report()["requests"]
    body = folder / "event.json"
    body.write_text(events_file(folder, 1)[1])
    raw = subprocess.run(pinned(0, tool("raw_client"), "--port", str(sink.port), "--body", str(body), "--seconds", "3", *(["--tls"] if tls else [])),
                         capture_output=True, text=True, check=True).stdout.split()
    millrace.stop()
    sink.report(end=True)
    subprocess.run(["rm", "-rf", str(folder / "data")], check=True)
    return cpu / delivered * 1e6, delivered / took, float(raw[5])


def delivery(folder):
    tls = Tls(folder / "tls")
    print("| delivery | CPU-us a POST | raw client | ratio | POSTs/s |\n| --- | --- | --- | --- | --- |")
    for name, with_tls in (("plain", None), ("TLS", tls)):
        cpu, rate, raw = deliver(folder, with_tls, False, 100_000 if QUICK else 400_000)
        print(f"| {name} | {cpu:.2f} | {raw:.2f} | {cpu / raw:.2f} | {rate:,.0f} |", flush=True)
    cpu, rate, _ = deliver(folder, tls, True, 5_000 if QUICK else 20_000)
    speed = subprocess.run(pinned(0, "openssl", "speed", "-seconds", "3", "rsa2048"), capture_output=True, text=True, check=True).stdout
    sign = float(re.findall(r"rsa 2048 bits ([\d.]+)s", speed)[-1]) * 1e6
    print(f"| TLS, signed | {cpu:.1f} | {sign:.1f} (one RSA signature) | RSA's share {sign / cpu:.2f} | {rate:,.0f} |")


def end_to_end(folder):
    tls = Tls(folder / "tls")
    print("| load | sent | arrived (distinct) | p50 ms | p99 ms | p99.9 ms |\n| --- | --- | --- | --- | --- | --- |")
    for name, sign, rate in (("20,000/s unsigned TLS", False, 20_000), ("2,000/s signed TLS", True, 2_000)):
        sink = SinkProgram(folder, core=1, tls=tls, reconcile=not sign)
        # Both cores for the server, as an unprivileged user would have it.
        millrace = Server(folder / "data", environment={"MILLRACE_DELIVERY_EXTRA_CA": tls.authority}).wait_ready()
        token = producer_token(millrace)
        stream = millrace.add_stream(sink.url, sign=sign)["id"]
        load(millrace, token, rate / 2, 2, first=0)
        wait_for("warm", lambda: millrace.health(stream)["waiting"] == 0, 60)
        sink.report()
        seconds = 5 if QUICK else 30
        sent = load(millrace, token, rate, seconds, first=1_000_000)
        wait_for("all out", lambda: millrace.health(stream)["waiting"] == 0, 120)
        got = sink.report(end=True)
        if sign:
            histogram = millrace.call("GET", "/metrics")[1].decode()
            pairs = [(float(m[0]), float(m[1])) for m in re.findall(r'millrace_end_to_end_seconds_bucket\{[^}]*le="([\d.e+-]+)"[^}]*\} ([\d.e+]+)', histogram)]
            total = pairs[-1][1] if pairs else 0
            at = [next((le for le, n in pairs if n >= total * p), 0) * 1000 for p in (0.5, 0.99, 0.999)]
            print(f"| {name} | {sent['accepted']:,.0f} | {got['requests']:,.0f} | <= {at[0]:g} | <= {at[1]:g} | <= {at[2]:g} |", flush=True)
        else:
            print(f"| {name} | {sent['accepted']:,.0f} | {got['requests']:,.0f} ({got['distinct']:,.0f} with the warm-up) | {got['p50_us'] / 1000:.2f} | {got['p99_us'] / 1000:.2f} | {got['p999_us'] / 1000:.2f} |", flush=True)
        millrace.stop()
        subprocess.run(["rm", "-rf", str(folder / "data")], check=True)


def isolation(folder):
    """1,000 streams to an endpoint that accepts and never answers, beside a healthy one at a fixed rate; with and without, in turn."""
    import socket
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(4096)  # connections complete in the kernel's queue and nobody ever answers
    holes = 100 if QUICK else 1000
    rounds = 2 if QUICK else 10
    sink = SinkProgram(folder, core=1, reconcile=True)
    millrace = Server(folder / "data").wait_ready()
    token = producer_token(millrace)
    millrace.add_stream(sink.url)
    streams = [millrace.add_stream(f"http://127.0.0.1:{hole.getsockname()[1]}/", name=f"black hole {i}", event_types=["grade_change"], breaker="off")["id"] for i in range(holes)]
    results = {True: [], False: []}
    number = 0
    for round_number in range(rounds):
        for with_holes in (False, True):
            for stream in streams:
                millrace.call("POST", f"/api/v1/data_streams/{stream}/{'activate' if with_holes else 'deactivate'}", {"from": "now"} if with_holes else None)
            sink.report()
            seconds = 3 if QUICK else 10
            load(millrace, token, 500, seconds, batch=1, first=number)
            number += 500 * seconds
            results[with_holes].append(sink.report()["p99_us"])
    ratios = sorted(a / b for a, b in zip(results[True], results[False]))
    print(f"| black holes | rounds | healthy p99 without (median ms) | with | median ratio |\n| --- | --- | --- | --- | --- |\n| {holes} | {rounds} | "
          f"{statistics.median(results[False]) / 1000:.2f} | {statistics.median(results[True]) / 1000:.2f} | {statistics.median(ratios):.2f} |")
    sink.report(end=True)
    millrace.stop(90)


def folder_bytes(path, pattern):
    return sum(f.stat().st_size for f in path.glob(pattern))


def memory(folder):
    events = 500_000 if QUICK else 5_000_000
    lanes = 100 if QUICK else 1000
    millrace = Server(folder / "data").wait_ready()
    token = producer_token(millrace)
    empty = resident_mb(millrace.process.pid)
    # Endpoints where nobody listens: each selected event fails at once and becomes a retry, until the lanes are held back by their windows.
    refused = [millrace.add_stream("http://127.0.0.1:1/", name=f"refused {i}", event_types=["logged_in"])["id"] for i in range(1)]
    waiting = [millrace.add_stream("http://127.0.0.1:1/", name=f"waiting {i}", event_types=["*"])["id"] for i in range(lanes)]
    for stream in waiting:
        millrace.call("POST", f"/api/v1/data_streams/{stream}/deactivate", expect=200)
    load(millrace, token, 100_000, events / 100_000, batch=500)
    loaded = resident_mb(millrace.process.pid)
    disk = folder_bytes(folder / "data", "log-*") / events
    for stream in waiting:
        millrace.call("POST", f"/api/v1/data_streams/{stream}/activate", {"from": "stop"}, expect=200)
    peak, until = 0.0, time.monotonic() + (20 if QUICK else 90)
    while time.monotonic() < until:
        peak = max(peak, resident_mb(millrace.process.pid))
        threading.Event().wait(0.25)
    retrying = millrace.health(refused[0])["retrying"] + sum(millrace.health(s)["retrying"] for s in waiting[:20]) * (lanes // 20 or 1)
    print(f"| events waiting | lanes catching up | retries (about) | resident MB: empty / loaded / peak | bytes on disk an event |\n| --- | --- | --- | --- | --- |\n"
          f"| {events:,} | {lanes} | {retrying:,} | {empty:.0f} / {loaded:.0f} / {peak:.0f} | {disk:.0f} |")
    millrace.kill()


def start(folder):
    size = (1 if QUICK else 10) * 10**9
    data = folder / "data"
    millrace = Server(data).wait_ready()
    token = producer_token(millrace)
    sink = SinkProgram(folder, core=1)
    stream = millrace.add_stream(sink.url)["id"]
    millrace.call("POST", f"/api/v1/data_streams/{stream}/deactivate", expect=200)
    number = 0
    while folder_bytes(data, "log-*") < size:
        number += load(millrace, token, 150_000, 20, batch=500, first=number)["accepted"]
    waiting = millrace.health(stream)["waiting"]
    millrace.call("POST", f"/api/v1/data_streams/{stream}/activate", {"from": "stop"}, expect=200)
    threading.Event().wait(1)
    millrace.kill()
    subprocess.run(["sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches"], check=False)
    sink.report()
    begun = time.monotonic()
    millrace = Server(data)
    millrace.wait_ready()
    body = producer_form(*event(1)).encode()
    millrace.call("POST", "/api/v1/events", body, token=token, headers={"Content-Type": "application/json"}, expect=200)
    accepted = time.monotonic() - begun
    wait_for("the first delivery", lambda: sink.report()["requests"] > 0, 60)
    first = time.monotonic() - begun
    health = millrace.health(stream)
    print(f"| log GB | events | waiting before / after | first accepted s | first delivery s |\n| --- | --- | --- | --- | --- |\n"
          f"| {folder_bytes(data, 'log-*') / 1e9:.1f} | {number:,.0f} | {waiting:,.0f} / {health['waiting']:,.0f} + {health['counters']['delivered']:,.0f} delivered | {accepted:.2f} | {first:.2f} |")
    millrace.kill()
    sink.report(end=True)


def main():
    questions = {f.__name__: f for f in (ingest, delivery, end_to_end, isolation, memory, start)}
    chosen = [w for w in sys.argv[1:] if not w.startswith("--")]
    if not chosen or any(w not in questions for w in chosen):
        print(__doc__, "\nquestions:", ", ".join(questions), file=sys.stderr)
        return 2
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)
    for name in chosen:
        folder = Folder()
        print(f"\n### {name} ({time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores of {model})\n", flush=True)
        try:
            questions[name](folder)
        finally:
            folder.keep = False
    return 0


if __name__ == "__main__":
    sys.exit(main())
