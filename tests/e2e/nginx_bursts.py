"""Bursts to an nginx as it comes: HTTP/2, connections that end behind their 1,000th request, reloads under way. No try is lost."""
import collections

from peer_servers import *


def attempts_of(server, stream):
    """How all of them came out, counted."""
    counted, after = collections.Counter(), None
    while True:
        page = server.call("GET", f"/api/v1/data_streams/{stream}/attempts?limit=500" + (f"&after={after}" if after else ""), expect=200)[1]
        counted.update((a["outcome"], a["class"], a["reason"]) for a in page["items"])
        after = page["next"]
        if not after:
            return counted


def send_events(server, first, count):
    lines = [delivered_form(*event(i)) for i in range(first, first + count)]
    for i in range(0, count, 5000):
        answer = server.call("POST", "/api/v1/events", "\n".join(lines[i:i + 5000]).encode(), headers={"Content-Type": "application/x-ndjson"}, expect=200)
        assert answer[1]["accepted"] == len(lines[i:i + 5000]), answer


def settled(server, stream):
    health = server.health(stream)
    return health["counters"]["delivered"] + health["retrying"] + health["undelivered"]


def bursts(folder, sizes, reloads_at=0.35):
    """One burst after another; while each second one runs, nginx is reloaded again and again."""
    tls = Tls(folder / "tls")
    nginx = Nginx(folder / "nginx", f'listen 127.0.0.1:PORT ssl http2; ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};'
                  ' location / { return 200 "ok"; }')
    server = Server(folder / "data").wait_ready()
    stream = server.add_stream(f"https://127.0.0.1:{nginx.port}/hook", delivery={
        "method": "https", "url": f"https://127.0.0.1:{nginx.port}/hook", "sign_payload": False,
        "tls": {"ca_certificates": Path(tls.authority).read_text()}})["id"]
    sent, reloads, pause = 0, 0, threading.Event()
    for number, size in enumerate(sizes):
        send_events(server, sent, size)
        sent += size
        until = time.monotonic() + 120
        while settled(server, stream) < sent and time.monotonic() < until:
            if number % 2 == 1:
                nginx.reload()
                reloads += 1
            pause.wait(reloads_at if number % 2 == 1 else 0.02)
    counted = attempts_of(server, stream)
    print(f"{sent} events, {reloads} reloads:", dict(counted))
    assert counted == {("delivered", None, None): sent}, counted
    lines = nginx.requests()
    assert len(lines) == sent, (len(lines), sent)  # nor was one sent twice
    over_http2 = sum("HTTP/2.0" in line for line in lines)
    print(f"{over_http2} of them over HTTP/2")
    assert over_http2 > sent / 2, over_http2
    assert server.stop() == 0
    nginx.stop()
