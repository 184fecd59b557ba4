"""The question of run.py about little load: 200 events a second, one a request, beside NATS JetStream with the same programs around it."""
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time

from shared import QUICK, ROOT, Server, cpu_of, event, pause, producer_form, producer_token

sys.path.insert(0, str(ROOT / "tools"))
import peers  # noqa: E402

RATE = 200
SECONDS = 5 if QUICK else 30
NUMBER = re.compile(rb'"number" : (\d+)')


class Times:
    """When each event was due, and when it first arrived."""

    def __init__(self):
        self.due, self.arrived = {}, {}

    def take(self, payload):
        found = NUMBER.search(payload)
        if found:
            self.arrived.setdefault(int(found.group(1)), time.monotonic())

    def milliseconds(self):
        return sorted((self.arrived[n] - due) * 1000 for n, due in self.due.items() if n in self.arrived)


class HttpSink(asyncio.Protocol):
    def __init__(self, times):
        self.times, self.data = times, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            size = int(re.search(rb"(?i)content-length: (\d+)", self.data[:end]).group(1))
            if len(self.data) < end + 4 + size:
                return
            self.times.take(self.data[end + 4:end + 4 + size])
            self.data = self.data[end + 4 + size:]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class HttpProducer(asyncio.Protocol):
    def __init__(self, token):
        self.token, self.data, self.answers = token, b"", 0

    def connection_made(self, transport):
        self.transport = transport

    def send(self, payload):
        self.transport.write(b"POST /api/v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                             b"Content-Length: %d\r\n\r\n%s" % (self.token.encode(), len(payload), payload))

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            if b" 200 " not in self.data[:16]:
                raise AssertionError(self.data[:300])
            size = int(re.search(rb"(?i)content-length: (\d+)", self.data[:end]).group(1))
            if len(self.data) < end + 4 + size:
                return
            self.data = self.data[end + 4 + size:]
            self.answers += 1


class Nats(asyncio.Protocol):
    """As much of the protocol of NATS clients as a producer and a consumer need."""

    def __init__(self, message):
        self.message, self.data, self.ready = message, b"", asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\nPING\r\n')

    def publish(self, subject, payload, reply=""):
        self.transport.write(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n")

    def subscribe(self, subject):
        self.transport.write(f"SUB {subject} 1\r\n".encode())

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n")) >= 0:
            words = self.data[:end].split()
            if words[0] == b"MSG":
                size = int(words[-1])
                if len(self.data) < end + 2 + size + 2:
                    return
                payload, self.data = self.data[end + 2:end + 2 + size], self.data[end + 4 + size:]
                self.message(payload, words[3].decode() if len(words) == 5 else "")
                continue
            self.data = self.data[end + 2:]
            if words[0] == b"PING":
                self.transport.write(b"PONG\r\n")
            elif words[0] == b"PONG":
                self.ready.set()
            elif words[0] == b"-ERR":
                raise AssertionError(b" ".join(words))


async def produce(times, send):
    begin = time.monotonic() + 0.05
    for i in range(RATE * SECONDS):
        due = begin + i / RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        times.due[i] = due
        send(producer_form(*event(i, body_extra=',"description":"%s"' % ("x" * 900))).encode())


async def all_arrived(times):
    until = time.monotonic() + 20
    while len(times.arrived) < RATE * SECONDS and time.monotonic() < until:
        await asyncio.sleep(0.02)


async def through_millrace(folder):
    times, loop = Times(), asyncio.get_running_loop()
    sink = await loop.create_server(lambda: HttpSink(times), "127.0.0.1", 0)
    millrace = await asyncio.to_thread(lambda: Server(folder / "data").wait_ready())
    token = await asyncio.to_thread(producer_token, millrace)
    await asyncio.to_thread(millrace.add_stream, f"http://127.0.0.1:{sink.sockets[0].getsockname()[1]}/events")
    _, producer = await loop.create_connection(lambda: HttpProducer(token), "127.0.0.1", millrace.port)
    before = cpu_of(millrace.process.pid)
    await produce(times, producer.send)
    await all_arrived(times)
    cpu = cpu_of(millrace.process.pid) - before
    await asyncio.to_thread(millrace.stop)
    sink.close()
    return times, cpu


async def connect_nats(loop, port, message):
    for _ in range(100):
        try:
            _, nats = await loop.create_connection(lambda: Nats(message), "127.0.0.1", port)
            await nats.ready.wait()
            return nats
        except OSError:
            await asyncio.sleep(0.05)
    raise AssertionError("nats-server does not answer")


async def asked(nats, answers, subject, request):
    before = len(answers)
    nats.publish(subject, json.dumps(request).encode(), "bench.answer")
    while len(answers) == before:
        await asyncio.sleep(0.01)
    if b'"error"' in answers[-1]:
        raise AssertionError(answers[-1])


async def through_nats(folder):
    times, loop, answers = Times(), asyncio.get_running_loop(), []
    program, settings = peers.peer("nats-server", "nats-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "nats.log", "wb") as log:
        server = subprocess.Popen([program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "nats")], env=settings, stdout=log, stderr=log)
    try:
        producer = await connect_nats(loop, port, lambda payload, reply: answers.append(payload))
        producer.subscribe("bench.answer")

        def message(payload, reply):
            times.take(payload)
            consumer.publish(reply, b"")

        consumer = await connect_nats(loop, port, message)
        consumer.subscribe("bench.out")
        await asked(producer, answers, "$JS.API.STREAM.CREATE.bench", {"name": "bench", "subjects": ["bench.in"], "storage": "file"})
        await asked(producer, answers, "$JS.API.CONSUMER.DURABLE.CREATE.bench.out",
                    {"stream_name": "bench", "config": {"durable_name": "out", "deliver_subject": "bench.out", "ack_policy": "explicit"}})
        before = cpu_of(server.pid)
        await produce(times, lambda payload: producer.publish("bench.in", payload, "bench.answer"))
        await all_arrived(times)
        return times, cpu_of(server.pid) - before
    finally:
        server.kill()
        server.wait()


def sync_ms(folder):
    """The median of appending 1.3 KB and waiting until the disk has it."""
    with open(folder / "sync", "wb", buffering=0) as file:
        took = []
        for _ in range(200):
            began = time.monotonic()
            file.write(b"x" * 1300)
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - began) * 1000)
            pause(0.005)
    return statistics.median(took)


def quiet(folder):
    print("| at 200 events/s | arrived | p50 ms | p99 ms | CPU-us an event |\n| --- | --- | --- | --- | --- |")
    for name, run in (("Millrace, each event synced", through_millrace), ("NATS JetStream, not synced", through_nats)):
        times, cpu = asyncio.run(run(folder))
        took = times.milliseconds()
        print(f"| {name} | {len(took):,} of {len(times.due):,} | {statistics.median(took):.2f} | {took[int(len(took) * 0.99)]:.2f} "
              f"| {cpu / len(times.due) * 1e6:.0f} |", flush=True)
    print(f"| one append of 1.3 KB and its sync | | {sync_ms(folder):.2f} | | |", flush=True)
