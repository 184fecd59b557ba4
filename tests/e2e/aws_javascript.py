"""AWS's SDKs for JavaScript, v2 and v3, unmodified, in the clear and over TLS: v3 speaks HTTP/2 with prior knowledge, or by ALPN."""
import subprocess

from harness import *

EVENTS = 101


def put(folder, name, server, script, key, secret, authority):
    sent = [event(i, name=name) for i in range(EVENTS)]
    (folder / f"{name}.json").write_text(json.dumps([producer_form(*e) for e in sent]))
    run = subprocess.run([node(), str(ROOT / f"tests/e2e/node/{script}.mjs"), server, str(folder / f"{name}.json")], capture_output=True, text=True,
                         check=False, timeout=120, env=dict(os.environ, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret,
                                                            NODE_EXTRA_CA_CERTS=authority, AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE="1"))
    assert run.returncode == 0, f"{name}: {run.stdout}\n{run.stderr}"
    answer = json.loads(run.stdout.splitlines()[-1])
    assert (answer["status"], answer["failed"], answer["taken"]) == ("ACTIVE", 0, EVENTS), answer
    assert answer["refused"] == "InvalidSignatureException", answer
    return answer["handler"], sent


def run(folder):
    if not (ROOT / "tests/e2e/node/node_modules/@aws-sdk").exists():
        skip("tests/e2e/node has no node_modules: ./test installs them with npm ci")
    tls = Tls(folder / "tls")
    plain = Server(folder / "plain").wait_ready()
    secured = Server(folder / "secured", "--listen-tls-certificate", tls.certificate, "--listen-tls-key", tls.key, tls=tls).wait_ready()
    assert secured.url.startswith("https://127.0.0.1:"), secured.url
    for server, scheme in ((plain, "http"), (secured, "https")):
        sink = Sink()
        server.add_stream(sink.url)
        key, secret = server.add_access_key()
        expected = set()
        for script in ("kinesis_v3", "kinesis_v2"):
            handler, sent = put(folder, f"{script}_{scheme}", server.url, script, key, secret, tls.authority)
            # As it comes: who gives it a handler for HTTP/1.1 would have been served before.
            assert handler == ("NodeHttp2Handler" if script == "kinesis_v3" else "v2"), handler
            expected |= {delivered_form(*e) for e in sent}
        wait_for("every event once", lambda s=sink: len(s.ids()) == 2 * EVENTS)
        assert {d["body"].decode() for d in sink.all()} == expected
        assert server.stop() == 0


story(run)
