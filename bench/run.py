#!/usr/bin/env python3
"""Runs one question of bench/README.md and prints Markdown rows.   usage: bench/run.py QUESTION [--quick]"""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from endpoints import client, idle, isolation, round_trip, storm
from quiet import quiet
from receiver import receive
from loop import loop
from shared import (ACCOUNT, QUICK, ROOT, Folder, Server, SinkProgram, Tls, add_streams, call_all, cpu_of, end_server, event, events_file, folder_bytes, load,
                    pause, pinned, producer_form, producer_token, resident_mb, server, signed_headers, stream_form, tool, wait_for)


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


def memory(folder):
    events = 500_000 if QUICK else 5_000_000
    lanes = 100 if QUICK else 1000
    millrace = Server(folder / "data").wait_ready()
    token = producer_token(millrace)
    empty = resident_mb(millrace.process.pid)
    # Endpoints where nobody listens: each selected event fails at once and becomes a retry, until the lanes are held back by their windows.
    refused = add_streams(millrace, ["http://127.0.0.1:1/"], ["logged_in"], kind="refused")
    waiting = add_streams(millrace, ["http://127.0.0.1:1/"] * lanes, ["*"], kind="waiting")
    call_all(millrace, [("POST", f"/api/v1/data_streams/{stream}/deactivate", None) for stream in waiting])
    load(millrace, token, 100_000, events / 100_000, batch=500)
    loaded = resident_mb(millrace.process.pid)
    disk = folder_bytes(folder / "data", "log-*") / events
    call_all(millrace, [("POST", f"/api/v1/data_streams/{stream}/activate", {"from": "stop"}) for stream in waiting])
    peak, until = 0.0, time.monotonic() + (20 if QUICK else 90)
    while time.monotonic() < until:
        peak = max(peak, resident_mb(millrace.process.pid))
        pause(0.25)
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
    pause(1)
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


def streams(folder):
    """Making many data streams: the CPU of the last tenth beside that of the first."""
    many = 2_000 if QUICK else 10_000
    millrace = server(folder)
    costs = []
    for tenth in range(10):
        before = cpu_of(millrace.process.pid)
        call_all(millrace, [("POST", "/api/v1/data_streams", stream_form(f"S{tenth}-{i}", "http://127.0.0.1:1/", ["logged_in"])) for i in range(many // 10)])
        costs.append((cpu_of(millrace.process.pid) - before) / (many // 10) * 1e6)
    begun, before, pages, after = time.monotonic(), cpu_of(millrace.process.pid), 0, ""
    while True:
        page = millrace.call("GET", f"/api/v1/data_streams?limit=1000{after and '&after=' + after}", expect=200)[1]
        pages += 1
        if not page.get("next"):
            break
        after = page["next"]
    print(f"| streams | CPU-us to make one: first tenth / last tenth (ratio) | list of all: pages, s, CPU s |\n| --- | --- | --- |\n"
          f"| {many:,} | {costs[0]:.0f} / {costs[-1]:.0f} ({costs[-1] / costs[0]:.2f}) | {pages}, {time.monotonic() - begun:.2f}, {cpu_of(millrace.process.pid) - before:.2f} |")
    end_server(millrace, folder)


def main():
    questions = {f.__name__: f for f in (ingest, delivery, end_to_end, client, idle, storm, round_trip, isolation, memory, start, quiet, receive, streams, loop)}
    chosen = [w for w in sys.argv[1:] if not w.startswith("--")]
    if not chosen or any(w not in questions for w in chosen):
        print(__doc__, "\nquestions:", ", ".join(questions), file=sys.stderr)
        return 2
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with us
    for name in chosen:
        folder = Folder()
        print(f"\n### {name} ({time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores of {model}, load before {os.getloadavg()[0]:.1f})\n", flush=True)
        try:
            questions[name](folder)
        finally:
            folder.keep = False
    return 0


if __name__ == "__main__":
    sys.exit(main())
