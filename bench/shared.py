"""What the questions of run.py share: the programs, what they cost, many data streams at once."""
import atexit
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("MILLRACE_BUILD", ROOT / "build/bench"))
os.environ.setdefault("MILLRACE", str(BUILD / "bin/millrace"))
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness import ACCOUNT, Folder, Process, Server, Tls, event, producer_form, signed_headers, wait_for  # noqa: E402,F401

QUICK = "--quick" in sys.argv
TICK = os.sysconf("SC_CLK_TCK")


def tool(name):
    return str(BUILD / f"bin/bench_{name}")


def numbers(line):
    """`name value name value` as a dictionary."""
    words = line.split()
    return {words[i]: float(words[i + 1]) for i in range(0, len(words) - 1, 2)}


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def pinned(core, *command):
    return ["taskset", "-c", str(core), *command]


def pause(seconds):
    threading.Event().wait(seconds)


def folder_bytes(path, pattern):
    return sum(f.stat().st_size for f in path.glob(pattern))


class BenchTls(Tls):
    """A certificate that also fits the far end of a link with a delay."""

    def __init__(self, folder):
        super().__init__(folder)
        folder = Path(folder)
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:10.77.0.2\n")
        subprocess.run(["openssl", "x509", "-req", "-in", str(folder / "cert.csr"), "-CA", self.authority, "-CAkey", str(folder / "ca.key"),
                        "-CAcreateserial", "-days", "20", "-extfile", str(folder / "names"), "-out", self.certificate], check=True, capture_output=True)


class SinkProgram:
    def __init__(self, folder, core=1, tls=None, reconcile=False, program="sink", flags=(), wrap=()):
        command = [tool(program), "--port", "0", *flags]
        if tls:
            command += ["--cert", tls.certificate, "--key", tls.key]
        if tls and program == "sink":
            command.append("--tls")
        if reconcile:
            command.append("--reconcile")
        self.process = subprocess.Popen([*wrap, *pinned(core, *command)], stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.ports = [int(port) for port in self.process.stdout.readline().split()[1:]]
        self.port = self.ports[0]
        self.url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{self.port}/events"

    def report(self, end=False):
        self.process.send_signal(signal.SIGTERM if end else signal.SIGUSR1)
        answer = numbers(self.process.stdout.readline())
        if end:
            self.process.wait()
        return answer

    def close_connections(self):
        self.process.send_signal(signal.SIGUSR2)


def server(folder, *flags, core=0, environment=None, wrap=None):
    return Server(folder / "data", *flags, wrap=pinned(core) if wrap is None else wrap,
                  environment=dict({"MILLRACE_SERVER_LOOPS": "1"}, **(environment or {}))).wait_ready()


def trust(tls):
    return {"MILLRACE_DELIVERY_EXTRA_CA": tls.authority} if tls else {}


def end_server(millrace, folder):
    """Without waiting for what is under way, and its folder goes."""
    millrace.kill()
    subprocess.run(["rm", "-rf", str(folder / "data")], check=True)


def producer_token(millrace):
    return millrace.call("POST", "/api/v1/tokens", {"name": "bench", "role": "producer", "accounts": [ACCOUNT]}, expect=201)[1]["token"]


def post_event(millrace, token, name, number=1):
    millrace.call("POST", "/api/v1/events", producer_form(*event(number, name=name)).encode(), token=token,
                  headers={"Content-Type": "application/json"}, expect=200)


def load_command(millrace, token, rate, seconds, batch=10, core=1, first=0, connections=32):
    return pinned(core, tool("load"), "--port", str(millrace.port), "--token", token, "--account", ACCOUNT, "--rate", str(rate), "--seconds",
                  str(seconds), "--batch", str(batch), "--first", str(first), "--connections", str(connections))


def load(*words, **more):
    return numbers(subprocess.run(load_command(*words, **more), capture_output=True, text=True, check=True).stdout)


def events_file(folder, number):
    one = subprocess.run([tool("load"), "--print", "--account", ACCOUNT], capture_output=True, text=True, check=True).stdout
    path = folder / f"{number}.ndjson"
    path.write_text((one + "\n") * number)
    return path, one


# ---- many data streams at once ----------------------------------------------------------------------------------------------

def stream_form(name, url, event_types):
    return {"name": name, "account": ACCOUNT, "format": "canvas", "event_types": event_types,
            "delivery": {"method": "https", "url": url, "sign_payload": False}, "contact_email": "admin@example.edu"}


def call_all(millrace, requests, threads=8, expect=(200, 201)):
    """Sends (method, path, body) requests over one kept connection a thread; answers the JSON answers, in order."""
    token = millrace.token()
    local = threading.local()

    def call(request):
        method, path, body = request
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(millrace.host, millrace.port, timeout=120)
        headers = {"Authorization": "Bearer " + token}
        if body is not None:
            headers["Content-Type"] = "application/json"
        local.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = local.connection.getresponse()
        text = answer.read()
        if answer.status not in expect:
            raise AssertionError(f"{method} {path}: {answer.status}: {text[:600]!r}")
        return json.loads(text) if text else None

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, requests))


def add_streams(millrace, urls, event_types, kind="stream", **more):
    return [s["id"] for s in call_all(millrace, [("POST", "/api/v1/data_streams", dict(stream_form(f"{kind} {i}", url, event_types), **more))
                                                 for i, url in enumerate(urls)])]
