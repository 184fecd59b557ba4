"""Signed deliveries are verified by libraries that are not ours: PyJWT, jose, jsonwebtoken with jwks-rsa; and by `millrace verify`."""
import subprocess

import jwt
from harness import *


def run(folder):
    modules = ROOT / "tests/e2e/node/node_modules"
    if not (modules / "jose").exists():
        skip("tests/e2e/node has no node_modules: ./test installs them with npm ci")
    server = Server(folder / "data").wait_ready()
    sinks = {form: Sink() for form in ("raw", "quoted", "jwt")}
    for form, sink in sinks.items():
        server.add_stream(sink.url, sign=True, signed_body=form, name=f"signed {form}")
    key, secret = server.add_access_key()
    sent = [event(i) for i in range(5)]
    assert all(CanvasClient(server.host, server.port, key, secret).put([producer_form(*e) for e in sent], "signed-1"))
    for form, sink in sinks.items():
        wait_for(f"5 {form} deliveries", lambda s=sink: len(s.all()) >= 5)

    keys = jwt.PyJWKClient(server.url + "/jwks")
    expected = {m + b for m, b in sent}
    tokens = []
    for delivery in sinks["raw"].all():
        token = delivery["body"].decode()
        assert delivery["headers"]["content-type"] == "text/plain; charset=utf-8", delivery["headers"]
        header = jwt.get_unverified_header(token)
        assert header["alg"] == "RS256" and header["typ"] == "JWT" and header["kid"], header
        claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key, algorithms=["RS256"],
                            issuer="https://live-events.canvas.instructure.com")
        assert set(claims) == {"metadata", "body", "iss", "iat", "jti"}, set(claims)
        assert claims["jti"] == delivery["id"]
        # The signed text holds the producer's bytes: the claims are the payload with three members more.
        import base64
        text = base64.urlsafe_b64decode(token.split(".")[1] + "==").decode()
        assert any(delivered_form(m, b)[:-1] in text for m, b in sent), text
        tokens.append(token)
    for delivery in sinks["quoted"].all():
        text = delivery["body"].decode()
        assert text[0] == text[-1] == '"' and text.count('"') == 2
        jwt.decode(text.strip('"'), keys.get_signing_key_from_jwt(text.strip('"')).key, algorithms=["RS256"])
    for delivery in sinks["jwt"].all():
        assert delivery["headers"]["content-type"] == "application/jwt"
    # One signature serves the three streams: the rules that go into the signed text are the same.
    assert {d["body"] for d in sinks["jwt"].all()} == {t.encode() for t in tokens}

    (folder / "token.jwt").write_text(tokens[0])
    run_node = subprocess.run(["node", str(ROOT / "tests/e2e/node/verify.mjs"), server.url + "/jwks", *tokens], capture_output=True, text=True, check=False)
    assert run_node.returncode == 0 and run_node.stdout.count("verified") == 10, run_node.stdout + run_node.stderr
    assert '"metadata"' in millrace("verify", folder / "token.jwt", "--jwks", server.url + "/jwks").stdout
    changed = tokens[0][:-8] + ("AAAAAAAA" if not tokens[0].endswith("AAAAAAAA") else "BBBBBBBB")
    (folder / "changed.jwt").write_text(changed)
    millrace("verify", folder / "changed.jwt", "--jwks", server.url + "/jwks", expect=1)

    published = server.call("GET", "/jwks", token="", expect=200)[1]["keys"]
    assert len(published) == 3 and len({k["kid"] for k in published}) == 3
    assert server.call("GET", "/.well-known/jwks.json", token="", expect=200)[1]["keys"] == published
    assert server.call("GET", "/main/jwks", token="", expect=200)[1]["keys"] == published
    assert jwt.get_unverified_header(tokens[0])["kid"] == published[1]["kid"], "the current key is the middle one"
    assert server.stop() == 0


story(run)
