"""The blocks of docs/behind-a-proxy.md, run as they are printed: signed requests come through nginx and Caddy, over HTTP/1.1 and HTTP/2.

Only what a machine has of its own is put in: ports, and where the certificate lies."""
import subprocess

from peer_servers import *

NAME = "millrace.example.edu"


def block(language):
    found = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/behind-a-proxy.md").read_text(), re.S)
    assert len(found) == 1, f"the page has one block of {language}"
    return found[0]


def localised(text, at, tls, upstream):
    """What the page says, with this machine's own; each must be there to be replaced."""
    for printed, here in (("443", at), ("/etc/ssl/millrace.crt", tls.certificate), ("/etc/ssl/millrace.key", tls.key), ("127.0.0.1:8080", f"127.0.0.1:{upstream}")):
        assert printed in text, printed
        text = text.replace(printed, here)
    return text


class PrintedNginx(Peer):
    AT = "127.0.0.1:{}"

    def __init__(self, folder, text, port):
        path, environment = program("nginx", "nginx")
        folder.mkdir()
        user = "user root;\n" if os.geteuid() == 0 else ""
        temporary = "".join(f"{kind}_temp_path tmp;\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"{user}daemon off;\npid nginx.pid;\nerror_log error.log info;\nevents {{}}\nhttp {{\naccess_log access.log;\n"
                                           f"{temporary}{text}}}\n")
        super().__init__(folder, [path, "-e", str(folder / "error.log"), "-p", str(folder) + "/", "-c", str(folder / "nginx.conf")], environment, port)


class PrintedCaddy(Peer):
    AT = "{}"

    def __init__(self, folder, text, port):
        path, environment = program("caddy", "caddy")
        folder.mkdir()
        # No door for administration, and nothing at port 80.
        (folder / "Caddyfile").write_text("{\n  admin off\n  auto_https disable_redirects\n  default_bind 127.0.0.1\n}\n" + text)
        environment = dict(environment, HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
        super().__init__(folder, [path, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")], environment, port)


def named(folder):
    """A certificate for the page's name."""
    tls = Tls(folder)
    (folder / "names").write_text(f"subjectAltName=DNS:{NAME}\n")
    subprocess.run(["openssl", "x509", "-req", "-in", str(folder / "cert.csr"), "-CA", tls.authority, "-CAkey", str(folder / "ca.key"),
                    "-CAcreateserial", "-days", "20", "-extfile", str(folder / "names"), "-out", tls.certificate], check=True, capture_output=True)
    return tls


def put(folder, port, tls, key, secret, events, version):
    """A signed PutRecords by curl: (status, answer)."""
    records = [{"Data": base64.b64encode(producer_form(*e).encode()).decode(), "PartitionKey": "1"} for e in events]
    body = json.dumps({"StreamName": "live-events", "Records": records}).encode()
    (folder / "body.json").write_bytes(body)
    words = []
    for name, value in signed_headers(f"{NAME}:{port}", body, "PutRecords", key, secret).items():
        if name != "host":
            words += ["-H", f"{name}: {value}"]
    run = subprocess.run(["/usr/bin/curl", "-sS", version, "--cacert", tls.authority, "--resolve", f"{NAME}:{port}:127.0.0.1", *words, "--data-binary",
                          f"@{folder / 'body.json'}", "-w", "\n%{http_code}", f"https://{NAME}:{port}/"], capture_output=True, text=True, check=False,
                         timeout=60)
    assert run.returncode == 0, run.stderr
    text, _, status = run.stdout.rpartition("\n")
    return int(status), json.loads(text)


def run(folder):
    tls = named(folder / "tls")
    server = Server(folder / "data").wait_ready()
    sink = Sink()
    server.add_stream(sink.url)
    key, secret = server.add_access_key()
    sent = 0
    printed_caddy = block("caddy")
    forms = {"nginx": (PrintedNginx, block("nginx")), "caddy": (PrintedCaddy, printed_caddy),
             "caddy_h2c": (PrintedCaddy, printed_caddy.replace("reverse_proxy ", "reverse_proxy h2c://"))}
    for name, (kind, text) in forms.items():
        port = free_port()
        proxy = kind(folder / name, localised(text, kind.AT.format(port), tls, server.port), port)
        for version in ("--http1.1", "--http2"):
            events = [event(i, body_extra=',"padding":"%s"' % ("x" * 40_000)) for i in range(sent, sent + 50)]
            status, answer = put(folder, port, tls, key, secret, events, version)
            assert status == 200 and answer["FailedRecordCount"] == 0, (name, version, answer)
            sent += 50
        proxy.stop()
    wait_for("every event", lambda: len(sink.ids()) == sent)

    port = free_port()
    wrong = block("nginx").replace("proxy_set_header Host $http_host;", "proxy_set_header Host $host;")
    assert wrong != block("nginx")
    PrintedNginx(folder / "wrong", localised(wrong, PrintedNginx.AT.format(port), tls, server.port), port)
    status, answer = put(folder, port, tls, key, secret, [event(0)], "--http1.1")
    assert status == 400 and answer["__type"] == "InvalidSignatureException", answer
    assert f"'Host: {NAME}'" in answer["message"] and f"{NAME}:{port}" in answer["message"], answer
    assert server.stop() == 0


story(run)
