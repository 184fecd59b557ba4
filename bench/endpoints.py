"""Questions about the delivering side of HTTP: what a POST costs, many origins at rest, many handshakes, a long way."""
import contextlib
import os
import re
import socket
import statistics
import subprocess
import time

from shared import (QUICK, BenchTls, Server, SinkProgram, add_streams, call_all, cpu_of, end_server, events_file, load, load_command, numbers, pause, pinned,
                    post_event, producer_token, resident_mb, server, tool, trust, wait_for, BUILD)

CALL = "logged_out"  # an event type that bench_load does not send


def median(values):
    return statistics.median(values)


# ---- client -----------------------------------------------------------------------------------------------------------------

def client(folder):
    """http::Client by itself on core 0, beside the raw clients, in turn."""
    tls = BenchTls(folder / "tls")
    body = folder / "event.json"
    body.write_text(events_file(folder, 1)[1].rstrip("\n"))
    rounds = 1 if QUICK else 3
    print("| exchange | client (CPU-us a POST; user) | raw client | ratio | raw with the lines of a delivery | ratio | POSTs/s | connections |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, program, with_tls, in_flight, raw_flags, flags in (
            ("plain, 128 in flight", "sink", False, 128, ["--connections", "128"], ["--http2", "off"]),
            ("TLS, 128 in flight", "sink", True, 128, ["--connections", "128", "--tls"], ["--http2", "off"]),
            ("HTTP/2, 8 x 32", "h2_sink", True, 256, ["--connections", "8", "--streams", "32"], ["--streams-per-connection", "32"])):
        sink = SinkProgram(folder, core=1, tls=tls if with_tls else None, program=program)
        raw_program = "h2_raw_client" if program == "h2_sink" else "raw_client"
        raw_command = pinned(0, tool(raw_program), "--port", str(sink.port), "--body", str(body), "--seconds", "1" if QUICK else "3", *raw_flags)
        command = pinned(0, str(BUILD / "bin/client_bench"), "--url", sink.url, "--body", str(body), "--in-flight", str(in_flight), "--ca", tls.authority,
                         "--count", "100000" if QUICK else ("600000" if program == "h2_sink" else "300000"), *flags)
        results = []
        for _ in range(rounds):
            results.append([numbers(subprocess.run(c, capture_output=True, text=True, check=True).stdout)
                            for c in (raw_command, command, [*raw_command, "--delivery-head"])])
        sink.report(end=True)
        raw, ours, full = ([r[i]["cpu_us"] for r in results] for i in range(3))
        ratio, full_ratio = (median([a / b for a, b in zip(ours, other)]) for other in (raw, full))
        last = results[-1][1]
        kind = f", {last['http2'] / last['posts']:.0%} over HTTP/2" if program == "h2_sink" else ""
        print(f"| {name} | {median(ours):.2f}; {median([r[1]['user_us'] for r in results]):.2f} | {median(raw):.2f} | {ratio:.2f} | {median(full):.2f} | "
              f"{full_ratio:.2f} | {median([r[1]['per_s'] for r in results]):,.0f} | {last['connections']:.0f}{kind} |", flush=True)


# ---- idle -------------------------------------------------------------------------------------------------------------------

def idle(folder):
    """Resident memory of many active data streams, before and after each has sent one event."""
    streams = 1000 if QUICK else 10_000
    tls = BenchTls(folder / "tls")
    print("| streams | origins | resident MB: empty | made | after one event each | connections closed | bytes a stream, at rest | made in s | events arrived in s | "
          "tries that failed |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, ports in (("one", 1), ("one each", streams)):
        sink = SinkProgram(folder, core=1, tls=tls, flags=("--ports", str(ports)))
        millrace = server(folder, environment=dict(trust(tls), MILLRACE_SERVER_LOOPS="0"), wrap=[])
        token = producer_token(millrace)
        pause(1)
        pid = millrace.process.pid
        empty = resident_mb(pid)
        begun = time.monotonic()
        add_streams(millrace, [f"https://localhost:{sink.ports[i % ports]}/events" for i in range(streams)], [CALL])
        made_in = time.monotonic() - begun
        pause(2)
        made = resident_mb(pid)
        begun, came = time.monotonic(), 0
        post_event(millrace, token, CALL)
        while came < streams and time.monotonic() - begun < 400:  # a try that failed comes again after two minutes
            pause(0.5)
            came += sink.report()["requests"]
        arrived_in = time.monotonic() - begun
        pause(2)
        sent = resident_mb(pid)
        pause(58)  # a kept connection rests for 50 s
        rest = resident_mb(pid)
        failed = sum(float(n) for n in re.findall(r'^millrace_deliveries_total\{(?!.*outcome="delivered").*\} ([\d.e+]+)$', millrace.call("GET", "/metrics")[1].decode(), re.M))
        print(f"| {streams:,} | {name} | {empty:.0f} | {made:.0f} | {sent:.0f} | {rest:.0f} | {(rest - empty) * 1024 * 1024 / streams:,.0f} | {made_in:.1f} | "
              f"{arrived_in:.1f}{'' if came >= streams else f' ({came:,.0f} came)'} | {failed:,.0f} |", flush=True)
        end_server(millrace, folder)
        sink.report(end=True)


# ---- storm ------------------------------------------------------------------------------------------------------------------

def storm(folder):
    """p99 of a healthy TLS stream at 500 events/s, alone and while 1,000 streams to origins of their own reconnect at once. One loop, on core 0;
    the storm's endpoint yields core 1 to the healthy one."""
    others = 200 if QUICK else 1000
    rounds = 2 if QUICK else 5
    seconds = 4
    tls = BenchTls(folder / "tls")
    print("| handshakes | streams | rounds | healthy p50 / p99 ms alone | in the storm | median ratio of p99 | last of the others after s | server CPU of the storm, s | us a stream |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, flags in (("resumed", ()), ("full", ("--no-tickets",))):
        healthy = SinkProgram(folder, core=1, tls=tls, reconcile=True)
        sink = SinkProgram(folder, core=1, tls=tls, flags=("--ports", str(others), *flags), wrap=["nice", "-n", "10"])
        millrace = server(folder, environment=trust(tls))
        token = producer_token(millrace)
        millrace.add_stream(healthy.url, event_types=["submission_created", "grade_change", "asset_accessed", "logged_in", "submission_updated",
                                                      "discussion_entry_created"])
        add_streams(millrace, [f"https://localhost:{port}/events" for port in sink.ports], [CALL])
        number = 0

        def call_others():
            """Posts the event that all the others get; answers how long it took to reach the last of them."""
            begun, came = time.monotonic(), 0
            post_event(millrace, token, CALL)
            while came < others and time.monotonic() - begun < 60:
                pause(0.1)
                came += sink.report()["requests"]
            if came < others:
                raise AssertionError(f"only {came:.0f} of {others} got their event")
            return time.monotonic() - begun

        call_others()
        load(millrace, token, 500, 1, batch=1)
        results, took, costs = {False: [], True: []}, [], []
        for _ in range(rounds):
            cpu = {}
            for with_storm in (False, True):
                if with_storm:
                    sink.close_connections()
                    pause(0.5)
                healthy.report()
                before = cpu_of(millrace.process.pid)
                producer = subprocess.Popen(load_command(millrace, token, 500, seconds, batch=1, first=number), stdout=subprocess.DEVNULL)
                number += 500 * seconds
                pause(0.5)
                if with_storm:
                    took.append(call_others())
                producer.wait()
                pause(0.2)
                cpu[with_storm] = cpu_of(millrace.process.pid) - before
                results[with_storm].append(healthy.report())
            costs.append(cpu[True] - cpu[False])
        alone, stormy = ([r["p99_us"] for r in results[k]] for k in (False, True))
        middle = {k: " / ".join(f"{median([r[p] for r in results[k]]) / 1000:.2f}" for p in ("p50_us", "p99_us")) for k in results}
        print(f"| {name} | {others} | {rounds} | {middle[False]} | {middle[True]} | {median([a / b for a, b in zip(stormy, alone)]):.2f} | {median(took):.2f} | "
              f"{median(costs):.2f} | {median(costs) / others * 1e6:.0f} |", flush=True)
        end_server(millrace, folder)
        healthy.report(end=True)
        sink.report(end=True)


# ---- round_trip -------------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def far_end(one_way_ms):
    """A network namespace behind a link with a delay: here 10.77.0.1, there 10.77.0.2. Yields the words that run a command there."""
    name = f"bench-{os.getpid()}"

    def run(*words):
        subprocess.run(words, check=True)

    run("ip", "netns", "add", name)
    link = None
    try:
        there = ["ip", "netns", "exec", name]
        link = subprocess.Popen(pinned(1, tool("delay_link"), "--ms", str(one_way_ms)), stdout=subprocess.PIPE, text=True)
        near, far = link.stdout.readline().split()[1:]
        run("ip", "link", "set", far, "netns", name)
        run("ip", "addr", "add", "10.77.0.1/24", "dev", near)
        run("ip", "link", "set", near, "up")
        run(*there, "ip", "addr", "add", "10.77.0.2/24", "dev", far)
        run(*there, "ip", "link", "set", far, "up")
        yield there
    finally:
        if link:
            link.terminate()
            link.wait()
        run("ip", "netns", "delete", name)


def measured_round_trip(port):
    """The shortest of five TCP handshakes, in seconds."""
    took = []
    for _ in range(5):
        begun = time.monotonic()
        socket.create_connection(("10.77.0.2", port), timeout=10).close()
        took.append(time.monotonic() - begun)
    return min(took)


def round_trip(folder):
    """A backlog goes to one HTTPS endpoint that is 50 ms away; beside the bound of the window."""
    events = 50_000 if QUICK else 1_000_000
    tls = BenchTls(folder / "tls")
    print("| exchange | window | events | round trip ms | events/s | of its second half | bound (window / round trip) | ratio of the second half | server CPU-us an event | connections |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with far_end(25) as there:
        for name, program, window in (("HTTP/1.1", "sink", 256), ("HTTP/2", "h2_sink", 256), ("HTTP/2", "h2_sink", 1024)):
            sink = SinkProgram(folder, core=1, tls=tls, program=program, flags=("--address", "10.77.0.2"), wrap=there)
            millrace = server(folder, environment=dict(trust(tls), MILLRACE_DELIVERY_ALLOW="127.0.0.0/8,10.77.0.0/24", MILLRACE_DELIVERY_WINDOW=str(window)))
            token = producer_token(millrace)
            stream = millrace.add_stream(f"https://10.77.0.2:{sink.port}/events")["id"]
            millrace.call("POST", f"/api/v1/data_streams/{stream}/deactivate", expect=200)
            load(millrace, token, 100_000, events / 100_000, batch=500)
            trip = measured_round_trip(sink.port)
            sink.report()
            before, begun = cpu_of(millrace.process.pid), time.monotonic()
            millrace.call("POST", f"/api/v1/data_streams/{stream}/activate", {"from": "stop"}, expect=200)
            half = None

            def is_out():
                nonlocal half
                pause(0.1)
                waiting = millrace.health(stream)["waiting"]
                if half is None and waiting <= events / 2:
                    half = (time.monotonic(), waiting)
                return waiting == 0

            with contextlib.suppress(AssertionError):  # what came in ten times the time of the bound is the figure then
                wait_for("the backlog is out", is_out, 10 * events * trip / window)
            ended = time.monotonic()
            late = half[1] / (ended - half[0]) if half and ended > half[0] else 0
            took = ended - begun
            cpu = cpu_of(millrace.process.pid) - before
            came = sink.report(end=True)
            rate = came["requests"] / took
            print(f"| {name} | {window} | {came['requests']:,.0f} | {trip * 1000:.1f} | {rate:,.0f} | {late:,.0f} | {window / trip:,.0f} | {late * trip / window:.2f} | "
                  f"{cpu / max(came['requests'], 1) * 1e6:.1f} | {came['connections']:.0f} |", flush=True)
            end_server(millrace, folder)


# ---- isolation --------------------------------------------------------------------------------------------------------------

class Hole:
    """Accepts connections (in the kernel's queue) and never answers. close() resets what was accepted, so that nothing is under way to it any
    more; open() takes the same port again."""

    def __init__(self):
        self.port = 0
        self.open()

    def open(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.listen(4096)
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


def isolation(folder):
    """1,000 streams to an endpoint that accepts and never answers, beside a healthy one at a fixed rate; with and without, in turn."""
    holes = 100 if QUICK else 1000
    rounds = 2 if QUICK else 10
    seconds = 3 if QUICK else 10
    hole = Hole()
    sink = SinkProgram(folder, core=1, reconcile=True)
    millrace = Server(folder / "data").wait_ready()
    token = producer_token(millrace)
    millrace.add_stream(sink.url)
    streams = add_streams(millrace, [f"http://127.0.0.1:{hole.port}/"] * holes, ["grade_change"], kind="black hole", breaker="off")

    def switch(to, body=None):
        call_all(millrace, [("POST", f"/api/v1/data_streams/{stream}/{to}", body) for stream in streams], threads=64)

    hole.close()
    switch("deactivate")
    results = {True: [], False: []}
    number = 0
    for _ in range(rounds):
        for with_holes in (False, True):
            if with_holes:
                hole.open()
                switch("activate", {"from": "now"})
            sink.report()
            load(millrace, token, 500, seconds, batch=1, first=number)
            number += 500 * seconds
            results[with_holes].append(sink.report()["p99_us"])
            if with_holes:
                hole.close()
                switch("deactivate")
                pause(1)
    ratios = [a / b for a, b in zip(results[True], results[False])]
    print(f"| black holes | rounds | healthy p99 without (median ms) | with | median ratio |\n| --- | --- | --- | --- | --- |\n| {holes} | {rounds} | "
          f"{median(results[False]) / 1000:.2f} | {median(results[True]) / 1000:.2f} | {median(ratios):.2f} |")
    end_server(millrace, folder)
    sink.report(end=True)
