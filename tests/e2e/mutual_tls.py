"""A receiver that asks for a client certificate, and has an authority of its own: refused without, delivered with; the key is seen nowhere."""
import base64
import http.server

from harness import *


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def authority(folder, name):
    key, pem = folder / f"{name}.key", folder / f"{name}.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem, "-days", 2,
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
    return key, pem


def leaf(folder, name, signer, names):
    key, request, pem, extensions = (folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
    extensions.write_text(f"subjectAltName={names}\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", signer[1], "-CAkey", signer[0], "-CAcreateserial", "-days", 2, "-out", pem, "-extfile", extensions)
    return key, pem


class Demanding:
    """Python's own HTTPS server; it takes only clients whose certificate `authority` has signed, and notes what came and from whom."""

    def __init__(self, certificate, key, authority):
        self.got = got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                subject = dict(pair for part in self.connection.getpeercert()["subject"] for pair in part)
                got.append((subject["commonName"], self.headers["Millrace-Event-Id"], body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *ignored):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *ignored):  # handshakes that are refused, as they should be
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def key_forms(key):
    """What would show that a key lies about: lines of its PEM, and pieces of its bytes."""
    lines = key.read_text().splitlines()[1:-1]
    return [line.encode() for line in lines] + [base64.b64decode("".join(lines))[36:60]]


def run(folder):
    if not shutil.which("openssl"):
        skip("openssl is not here")
    receivers, senders = authority(folder.path, "receivers"), authority(folder.path, "senders")
    receiver_key, receiver_pem = leaf(folder.path, "receiver", receivers, "IP:127.0.0.1")
    our_key, our_pem = leaf(folder.path, "millrace-north", senders, "DNS:millrace-north")
    stranger_key, stranger_pem = leaf(folder.path, "stranger", receivers, "DNS:stranger")
    receiver = Demanding(receiver_pem, receiver_key, senders[1])

    server = Server(folder / "data", environment={"MILLRACE_SERVER_LOG_LEVEL": "debug"}).wait_ready()
    stream = server.add_stream(receiver.url)["id"]
    answers = []

    def call(method, path, body=None, expect=200):
        answers.append(server.call(method, path, body, expect=expect)[1])
        return answers[-1]

    def edit(*words):
        answers.append(millrace("streams", "edit", stream, "--data", server.data, "--server", server.url, *words).stdout)

    def test():
        return call("POST", f"/api/v1/data_streams/{stream}/test")

    # Its authority is not known; then it is, but nobody says who we are; then a stranger does.
    unknown = test()
    assert unknown["class"] == "tls" and "unknown authority: CN=receivers" in unknown["reason"], unknown
    edit("--ca-certificates", receivers[1])
    nobody = test()
    assert nobody["outcome"] == "failed" and nobody["status"] is None, nobody
    edit("--client-certificate", stranger_pem, "--client-key", stranger_key)
    stranger = test()
    assert stranger["outcome"] == "failed" and stranger["status"] is None, stranger
    print("without a certificate:", nobody["class"], "-", nobody["reason"])
    print("with a stranger's:", stranger["class"], "-", stranger["reason"])
    assert receiver.got == []

    # A key that does not fit is refused, and not repeated in the refusal.
    wrong = call("PATCH", f"/api/v1/data_streams/{stream}",
                 {"delivery": {"tls": {"client_certificate": our_pem.read_text(), "client_key": receiver_key.read_text()}}}, expect=400)
    assert [e["field"] for e in wrong["errors"]] == ["/delivery/tls/client_key"], wrong

    edit("--client-certificate", our_pem, "--client-key", our_key)
    ours = test()
    assert ours["outcome"] == "delivered", ours
    assert ours["tls_version"] == "TLSv1.3" and ours["http_version"] == "1.1", ours
    assert ours["certificate"]["subject"] == "127.0.0.1" and ours["certificate"]["issuer"] == "CN=receivers", ours
    assert ours["certificate"]["sha256"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(receiver_pem.read_text())).hexdigest(), ours

    key, secret = server.add_access_key()
    client = CanvasClient(server.host, server.port, key, secret)
    sent = [event(i) for i in range(20)]
    assert client.put([producer_form(*e) for e in sent], "mutual-1") == [True] * 20
    wait_for("20 events and a test at the receiver", lambda: len(receiver.got) >= 21)
    assert {who for who, _, _ in receiver.got} == {"millrace-north"}
    assert sorted(body.decode() for _, _, body in receiver.got[1:]) == sorted(delivered_form(*e) for e in sent)

    # After a restart the sealed key is opened again.
    assert server.stop() == 0
    first_log = server.errors()
    server = Server(folder / "data", environment={"MILLRACE_SERVER_LOG_LEVEL": "debug"}).wait_ready()
    assert test()["outcome"] == "delivered"

    # Nowhere.
    for path in (f"/api/v1/data_streams/{stream}", "/api/v1/data_streams", f"/api/v1/data_streams/{stream}/attempts",
                 f"/api/v1/data_streams/{stream}/health", "/api/v1/audit"):
        call("GET", path)
    shown = call("GET", f"/api/v1/data_streams/{stream}")["delivery"]["tls"]
    assert shown["client_key_set"] is True and "client_key" not in shown, shown
    assert shown["client_certificate"] == our_pem.read_text()
    answers.append(millrace("attempts", stream, "--data", server.data, "--server", server.url, "--details").stdout)
    assert server.stop() == 0
    places = [("answers", json.dumps(answers).encode().replace(b"\\n", b"\n")), ("log", (first_log + server.errors()).encode())]
    places += [(str(f), f.read_bytes()) for f in server.data.rglob("*") if f.is_file()]
    assert len(places) > 4, places
    for name, content in places:
        for form in key_forms(our_key) + key_forms(stranger_key) + key_forms(receiver_key):
            assert form not in content, f"a key is in {name}"
    # The search would find it: the certificate, which is no secret, is in the answers.
    assert our_pem.read_text().splitlines()[1].encode() in places[0][1]


story(run)
