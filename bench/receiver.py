"""The question of run.py about the receiving side: what a signed event costs `millrace receive https`."""
import base64
import json
import os
import re
import subprocess
import uuid

from shared import QUICK, BenchTls, Process, cpu_of, event, pinned

ISSUER = "https://live-events.canvas.instructure.com"


def digits(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_events(folder, number):
    """Writes a JWKS and `number` JWTs, each of an event of its own, one a line; answers both paths."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_numbers()
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [{"kty": "RSA", "kid": "bench", "alg": "RS256", "use": "sig",
                                          "n": digits(public.n.to_bytes(256, "big")), "e": digits(public.e.to_bytes(3, "big"))}]}))
    head = digits(json.dumps({"alg": "RS256", "typ": "JWT", "kid": "bench"}).encode())
    lines = folder / "jwts"
    with open(lines, "w") as out:
        for i in range(number):
            metadata, body = event(i, body_extra=',"description":"%s"' % ("x" * 900))
            claims = f'{{"metadata":{metadata},"body":{body},"iss":"{ISSUER}","iat":1795900000,"jti":"{uuid.UUID(int=i)}"}}'
            text = f"{head}.{digits(claims.encode())}"
            out.write(f"{text}.{digits(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}\n")
    return jwks, lines


def script(folder, lines):
    path = folder / "signed.lua"
    path.write_text(f'''local all = {{}}
for line in io.lines("{lines}") do all[#all + 1] = line end
local at = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/jwt"
request = function()
  at = at % #all + 1
  return wrk.format(nil, nil, nil, all[at])
end
''')
    return path


def verify_us():
    speed = subprocess.run(pinned(0, "openssl", "speed", "-seconds", "2", "rsa2048"), capture_output=True, text=True, check=True).stdout
    return float(re.search(r"rsa 2048 bits\s+[\d.]+s\s+([\d.]+)s", speed).group(1)) * 1e6


def run_one(folder, jwks, lines, layout, tls):
    words = ["receive", "https", "--listen", "127.0.0.1:0", "--jwks", str(jwks), "--store", f"file://{folder / layout}", "--layout", layout]
    if tls:
        words += ["--tls-cert", tls.certificate, "--tls-key", tls.key]
    receiver = Process(pinned(0, os.environ["MILLRACE"], *words), str(folder / "receive.log")).wait_ready()
    before = cpu_of(receiver.process.pid)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{receiver.port}/"
    run = subprocess.run(pinned(1, "wrk", "-t1", "-c64", f"-d{2 if QUICK else 4}s", "-s", str(script(folder, lines)), url),
                         capture_output=True, text=True, check=True)
    cpu = cpu_of(receiver.process.pid) - before
    receiver.stop()
    subprocess.run(["rm", "-rf", str(folder / layout)], check=True)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", run.stdout)
    if bad:
        raise AssertionError(f"{bad.group(1)} events were refused: {receiver.errors()[-600:]}")
    done = int(re.search(r"(\d+) requests in", run.stdout).group(1))
    return cpu / done * 1e6, float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout).group(1)), done


def receive(folder):
    number = 60_000 if QUICK else 120_000
    jwks, lines = signed_events(folder, number)
    tls = BenchTls(folder / "tls")
    print("| received, signed | CPU-us an event | one RSA check (openssl speed) | ratio | events/s |\n| --- | --- | --- | --- | --- |")
    for name, layout, with_tls in (("rolling, plain", "rolling", None), ("rolling, TLS", "rolling", tls), ("per-event, plain", "per-event", None)):
        cpu, rate, done = run_one(folder, jwks, lines, layout, with_tls)
        if done > number:
            raise AssertionError(f"{done} events were asked for, and only {number} are different")
        check = verify_us()
        print(f"| {name} | {cpu:.1f} | {check:.1f} | {cpu / check:.2f} | {rate:,.0f} |", flush=True)
