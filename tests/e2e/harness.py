"""What the stories of tests/e2e share: the real binary, a receiver that remembers, an API client.

Servers listen on loopback, ports are free ones, waits end on a condition or at a deadline, and what a story starts it stops by pid.
"""
import asyncio
import atexit
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared"
MILLRACE = os.environ.get("MILLRACE", str(ROOT / "build/dev/bin/millrace"))
ACCOUNT = "Ay3nHpEvVhGqJQ7mW9oPjB0d6o5Yi7h0dG1N7ynE"
OTHER_ACCOUNT = "Zz9nHpEvVhGqJQ7mW9oPjB0d6o5Yi7h0dG1N7ynZ"


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def wait_for(what, condition, seconds=30.0):
    """Polls until condition() is true; fails with `what` at the deadline. Answers what condition() answered."""
    until = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"after {seconds} s still not: {what}")
        pause.wait(0.02)


def node():
    """The Node that ./test has installed in tools/node; else the system's."""
    ours = sorted(ROOT.glob("tools/node/node_modules/node-linux-*/bin/node"))
    return str(ours[0]) if ours else shutil.which("node") or skip("there is no node")


class Folder:
    """A temporary folder that goes with the story; kept where a story fails, for people to look at."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="millrace-e2e-"))
        self.keep = True
        atexit.register(lambda: None if self.keep else shutil.rmtree(self.path, ignore_errors=True))

    def __truediv__(self, name):
        return self.path / name


class Process:
    """A program that prints `listening on URL` when it is ready."""

    def __init__(self, command, log, environment=None, ready="listening on ", pass_fds=(), preexec=None):
        self.log_path = Path(log)
        self.log = open(log, "ab")
        self.start_of_log = self.log_path.stat().st_size
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        env=dict(os.environ, **(environment or {})), pass_fds=pass_fds, preexec_fn=preexec)
        atexit.register(self.kill)
        self.ready = threading.Event()
        self.url = None
        self.lines = []
        self.reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self.reader.start()

    def _read(self, ready):
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self.lines.append(line)
            if ready in line and self.url is None:
                self.url = line.split(ready, 1)[1].split()[0]
                self.ready.set()
        self.ready.set()

    def wait_ready(self, seconds=60):
        if not self.ready.wait(seconds) or self.url is None:
            raise AssertionError(f"{self.process.args[:3]} did not start:\n{self.errors()[-3000:]}")
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port
        return self

    def errors(self):
        return self.log_path.read_bytes()[self.start_of_log:].decode(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self, seconds=40):
        """SIGTERM; answers the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        if "ERROR: AddressSanitizer" in self.errors() or "runtime error:" in self.errors() or "LeakSanitizer" in self.errors():
            raise AssertionError("the sanitizer complained:\n" + self.errors()[-6000:])
        return status


def serve_command(data, *flags, listen="127.0.0.1:0"):
    return [MILLRACE, "serve", "--data", str(data), "--listen", listen, *flags]


class Server(Process):
    """`millrace serve` on a folder; loopback receivers are allowed explicitly."""

    def __init__(self, data, *flags, environment=None, wrap=(), listen="127.0.0.1:0", tls=None, **more):
        self.data = Path(data)
        self.tls = ssl.create_default_context(cafile=tls.authority) if tls else None
        settings = {"MILLRACE_DELIVERY_ALLOW": "127.0.0.0/8"}
        settings.update(environment or {})
        super().__init__([*wrap, *serve_command(data, *flags, listen=listen)], str(data) + ".log", settings, **more)

    def token(self):
        return (self.data / "admin.token").read_text().strip()

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=60, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def call(self, method, path, body=None, token=None, headers=None, expect=None):
        connection = self.connect()
        all_headers = {"Authorization": "Bearer " + (token or self.token())}
        if token == "":
            all_headers = {}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})
        connection.request(method, path, body, all_headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if expect is not None and answer.status != expect:
            raise AssertionError(f"{method} {path}: {answer.status} instead of {expect}: {text[:600]!r}")
        kind = answer.getheader("Content-Type") or ""
        return answer.status, json.loads(text) if "json" in kind and text else text

    def add_stream(self, url, **more):
        stream = {"name": "story", "account": ACCOUNT, "format": "canvas", "event_types": ["*"],
                  "delivery": {"method": "https", "url": url, "sign_payload": more.pop("sign", False)},
                  "contact_email": "admin@example.edu"}
        if "signed_body" in more:
            stream["delivery"]["signed_body"] = more.pop("signed_body")
        stream.update(more)
        return self.call("POST", "/api/v1/data_streams", stream, expect=201)[1]

    def add_access_key(self, *accounts):
        answer = self.call("POST", "/api/v1/access_keys", {"accounts": list(accounts) or [ACCOUNT]}, expect=201)[1]
        return answer["access_key_id"], answer["secret_access_key"]

    def health(self, stream):
        return self.call("GET", f"/api/v1/data_streams/{stream}/health", expect=200)[1]


def millrace(*words, environment=None, expect=0, stdin=None):
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    run = subprocess.run([MILLRACE, *map(str, words)], capture_output=True, text=True, check=False,
                         env=dict(os.environ, **(environment or {})), timeout=120, **given)
    if expect is not None and run.returncode != expect:
        raise AssertionError(f"millrace {' '.join(map(str, words))}: status {run.returncode} instead of {expect}\n{run.stdout}\n{run.stderr}")
    return run


# ---- events and a Kinesis producer ------------------------------------------------------------------------------------------

def event(number, account=ACCOUNT, name="submission_created", body_extra=""):
    """The producer's form of one event, as raw text: odd spacing and non-ASCII on purpose, so that a re-serialised one shows."""
    metadata = ('{"event_name":"%s",  "event_time":"2026-11-21T19:00:00.123Z","root_account_uuid":"%s","user_login":"j\u00f6rg \\u00e9",'
                '"number" : %d}' % (name, account, number))
    body = '{ "submission_id":"%d", "score":1.50, "grade":null,"text":"\u4e16\U0001f600 \\/ \\"q\\""%s}' % (number, body_extra)
    return metadata, body


def producer_form(metadata, body):
    return '{"attributes":%s,"body":%s}' % (metadata, body)


def delivered_form(metadata, body):
    return '{"metadata":%s,"body":%s}' % (metadata, body)


def signed_headers(host, body, target, key, secret, now=None, more=None):
    """A SigV4 head written out by hand, in the order in which Canvas's Ruby client signs."""
    now = now or datetime.datetime.utcnow()
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"content-type": "application/x-amz-json-1.1", "host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp,
               "x-amz-target": "Kinesis_20131202." + target}
    headers.update(more or {})
    names = ";".join(sorted(headers))
    canonical = "\n".join(["POST", "/", "", *[f"{k}:{headers[k]}" for k in sorted(headers)], "", names, digest])
    scope = f"{day}/us-east-1/kinesis/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signing = ("AWS4" + secret).encode()
    for part in (day, "us-east-1", "kinesis", "aws4_request"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers


class CanvasClient:
    """Sends PutRecords with the retry rules of Canvas's Ruby SDK: four tries within about 2.1 s, then the batch is lost;
    per-record InternalFailure is sent again up to three times, any other code is lost (wire facts)."""

    WAITS = (0.3, 0.6, 1.2)

    def __init__(self, host, port, key, secret):
        self.host, self.port, self.key, self.secret = host, port, key, secret
        self.connection = None
        self.lost = 0
        self.retries = 0
        self.pause = threading.Event()

    def _once(self, body, invocation):
        headers = signed_headers(f"{self.host}:{self.port}", body, "PutRecords", self.key, self.secret,
                                 more={"amz-sdk-invocation-id": invocation})
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            self.connection.request("POST", "/", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.getheader("Connection", "").lower() == "close":
                self.connection.close()
                self.connection = None
            return answer.status, text
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return 0, b""

    def put(self, events, invocation):
        """`events`: producer-form texts. Answers the list of booleans: stored (acknowledged) or lost."""
        stored = [False] * len(events)
        todo = list(range(len(events)))
        for round_number in range(4):
            records = [{"Data": base64.b64encode(events[i].encode()).decode(), "PartitionKey": str(i)} for i in todo]
            body = json.dumps({"StreamName": "live-events", "Records": records}).encode()
            status, text = 0, b""
            for attempt in range(4):
                status, text = self._once(body, f"{invocation}-{round_number}")
                if status == 200 or status in (400, 403, 413):
                    break
                if attempt < 3:
                    self.retries += 1
                    self.pause.wait(self.WAITS[attempt])
            if status != 200:
                break
            answers = json.loads(text)["Records"]
            again = []
            for i, answer in zip(todo, answers):
                if "ErrorCode" not in answer:
                    stored[i] = True
                elif answer["ErrorCode"] == "InternalFailure":
                    again.append(i)
            todo = again
            if not todo:
                break
        self.lost += stored.count(False)
        return stored


# ---- a receiver that remembers ----------------------------------------------------------------------------------------------

class Sink:
    """An HTTP/1.1 receiver. `answer(delivery)` -> status decides; every delivery is kept."""

    def __init__(self, answer=None, tls=None, keep_bodies=True):
        self.answer = answer or (lambda delivery: 200)
        self.keep_bodies = keep_bodies
        self.deliveries = []
        self.lock = threading.Lock()
        self.loop = asyncio.new_event_loop()
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls.certificate, tls.key)
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self.thread.start()
        started.wait(10)
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.port}/events"

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0, ssl=self.context, backlog=1024, limit=4 << 20))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def _client(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                headers = {}
                for line in lines[1:]:
                    if line:
                        name, _, value = line.partition(":")
                        headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                delivery = {"line": lines[0], "headers": headers, "body": body if self.keep_bodies else b"", "at": time.time(),
                            "id": headers.get("millrace-event-id"), "attempt": int(headers.get("millrace-attempt", 0))}
                status = self.answer(delivery)
                with self.lock:
                    delivery["status"] = status
                    self.deliveries.append(delivery)
                if status is None:
                    return
                writer.write(f"HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return  # the sender went away: what it had sent whole is kept
        finally:
            writer.close()

    def all(self):
        with self.lock:
            return list(self.deliveries)

    def ids(self):
        return {d["id"] for d in self.all()}


class Tls:
    """A certificate authority and a certificate for localhost, made with openssl."""

    def __init__(self, folder):
        folder = Path(folder)
        folder.mkdir(exist_ok=True)
        self.authority, self.key, self.certificate = (str(folder / n) for n in ("ca.pem", "key.pem", "cert.pem"))
        quiet = {"check": True, "capture_output": True}
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        str(folder / "ca.key"), "-out", self.authority, "-days", "30", "-subj", "/CN=Story Authority"], **quiet)
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                        "-out", str(folder / "cert.csr"), "-subj", "/CN=localhost"], **quiet)
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        subprocess.run(["openssl", "x509", "-req", "-in", str(folder / "cert.csr"), "-CA", self.authority, "-CAkey", str(folder / "ca.key"),
                        "-CAcreateserial", "-days", "20", "-extfile", str(folder / "names"), "-out", self.certificate], **quiet)


def story(run):
    """Runs a story on a fresh folder and says how it went."""
    folder = Folder()
    started = time.monotonic()
    try:
        run(folder)
    except SystemExit:
        folder.keep = False
        raise
    except BaseException:
        print(f"failed; its folder is kept: {folder.path}")
        for log in sorted(folder.path.glob("*.log")):
            print(f"---- the end of {log.name}:")
            print("\n".join(log.read_text(errors="replace").splitlines()[-40:]))
        raise
    folder.keep = False
    print(f"passed in {time.monotonic() - started:.1f} s")
