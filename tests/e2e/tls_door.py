"""The service's own door over TLS: clients that are not ours over HTTP/1.1 and HTTP/2, the command line, and a certificate replaced while it runs."""
import shutil
import subprocess

from harness import *

sys.path.insert(0, str(ROOT / "tools"))
import peers


def curl(url, authority, *words):
    run = subprocess.run(["/usr/bin/curl", "-sS", "--cacert", authority, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", *words, url],
                         capture_output=True, text=True, check=False, timeout=60)
    return run.stdout if run.returncode == 0 else run.stderr


def shown(server):
    """The certificate that a new connection gets to see, PEM."""
    return ssl.get_server_certificate((server.host, server.port), timeout=10)


def replace(tls, other):
    """As who cares for certificates does it: beside, and then in their place."""
    for now, fresh in ((tls.certificate, other.certificate), (tls.key, other.key)):
        shutil.copy(fresh, now + ".new")
        os.replace(now + ".new", now)


def is_replaced(server, tls, other):
    before = shown(server)
    replace(tls, other)
    wait_for("the new certificate is shown", lambda: shown(server) != before, 30)


def independent_clients(server, tls):
    """nghttp and h2load, over TLS and with prior knowledge."""
    try:
        nghttp, settings = peers.peer("nghttp2-client", "nghttp")
        h2load, _ = peers.peer("nghttp2-client", "h2load")
    except peers.Missing as why:
        print(f"without nghttp2's clients: {why}")
        return
    for url in (server.url, tls.url):
        run = subprocess.run([nghttp, "-nv", url + "/healthz"], env=settings, capture_output=True, text=True, check=False, timeout=60)
        assert ":status: 200" in run.stdout and "ENHANCE" not in run.stdout, run.stdout + run.stderr
        run = subprocess.run([h2load, "-n3000", "-c20", "-m100", url + "/healthz"], env=settings, capture_output=True, text=True, check=False, timeout=120)
        assert "3000 succeeded, 0 failed" in run.stdout, run.stdout + run.stderr


def run(folder):
    tls, other = Tls(folder / "tls"), Tls(folder / "other")
    authorities = str(folder / "authorities.pem")
    Path(authorities).write_text(Path(tls.authority).read_text() + Path(other.authority).read_text())
    stranger = Tls(folder / "stranger")
    plain = Server(folder / "plain").wait_ready()
    server = Server(folder / "data", "--listen-tls-certificate", tls.certificate, "--listen-tls-key", tls.key, tls=tls).wait_ready()
    assert server.url.startswith("https://127.0.0.1:"), server.url

    assert curl(server.url + "/readyz", tls.authority) == "2 200"
    assert curl(server.url + "/readyz", tls.authority, "--http1.1") == "1.1 200"
    assert curl(plain.url + "/readyz", tls.authority) == "1.1 200"
    assert curl(plain.url + "/readyz", tls.authority, "--http2-prior-knowledge") == "2 200"
    assert "certificate" in curl(server.url + "/readyz", stranger.authority)
    assert server.call("GET", "/api/v1/data_streams", expect=200)[0] == 200
    independent_clients(plain, server)

    trusting = {"MILLRACE_CA": tls.authority}
    millrace("streams", "list", "--server", server.url, "--data", server.data, environment=trusting)
    for command in (["streams", "list"], ["attempts", "x"], ["audit"], ["tokens", "list"], ["accounts"], ["doctor"]):
        answer = millrace(*command, "--server", server.url, "--data", server.data, "--ca", tls.authority, expect=None)
        assert "unknown authority" not in answer.stderr + answer.stdout, (command, answer)
    refused = millrace("streams", "list", "--server", server.url, "--data", server.data, expect=None)
    assert refused.returncode != 0 and "certificate" in refused.stderr, refused.stderr
    assert f"{server.url} is ready" in millrace("doctor", "--data", server.data, "--server", server.url, environment=trusting, expect=None).stdout

    kept = server.connect()
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() is not None
    is_replaced(server, tls, other)
    assert curl(server.url + "/readyz", other.authority) == "2 200"
    kept.request("GET", "/healthz")  # what stands goes on
    assert kept.getresponse().status == 200

    now = shown(server)
    os.kill(server.process.pid, signal.SIGHUP)
    wait_for("a hangup is answered though nothing is new", lambda: "served already" in server.errors(), 30)
    for file in ("certificate", "key"):
        shutil.copy(getattr(stranger, file), getattr(tls, file))
    os.kill(server.process.pid, signal.SIGHUP)
    wait_for("a hangup has the new pair served at once", lambda: shown(server) != now, 30)
    for file in ("certificate", "key"):
        shutil.copy(getattr(other, file), getattr(tls, file))
    os.kill(server.process.pid, signal.SIGHUP)
    wait_for("and the one before again", lambda: shown(server) == now, 30)
    shutil.copy(stranger.certificate, tls.certificate)
    wait_for("a pair that does not fit is told", lambda: "cannot be served" in server.errors(), 30)
    assert shown(server) == now
    assert server.errors().count("cannot be served") == 1

    store = folder / "received"
    pair = Tls(folder / "pair")
    receiver = Process([MILLRACE, "receive", "https", "--listen", "127.0.0.1:0", "--allow-unsigned", "--store", f"file://{store}",
                        "--tls-cert", pair.certificate, "--tls-key", pair.key], folder / "receiver.log").wait_ready()
    assert curl(receiver.url + "/healthz", pair.authority) == "2 200"
    is_replaced(receiver, pair, other)
    assert receiver.stop() == 0

    halved = millrace("serve", "--data", folder / "never", "--listen-tls-certificate", tls.certificate, expect=None)
    assert halved.returncode != 0 and "give both or none" in halved.stderr, halved.stderr
    assert server.stop() == 0 and plain.stop() == 0


story(run)
