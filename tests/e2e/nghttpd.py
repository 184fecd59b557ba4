"""A receiver that speaks nothing but HTTP/2 (nghttpd, unmodified): the first event arrives, and so do all others."""
from peer_servers import *

EVENTS = 1020


def add(server, port, tls):
    return server.add_stream("https://127.0.0.1/", delivery={
        "method": "https", "url": f"https://127.0.0.1:{port}/hook", "sign_payload": False,
        "tls": {"ca_certificates": Path(tls.authority).read_text()}})["id"]


def run(folder):
    path, environment = program("nghttp2-server", "nghttpd")
    tls = Tls(folder / "tls")
    (folder / "nghttpd").mkdir()
    port = free_port()
    receiver = Peer(folder / "nghttpd", [path, "--address=127.0.0.1", "--echo-upload", "--verbose", str(port), tls.key, tls.certificate],
                    environment, port)
    server = Server(folder / "data").wait_ready()
    stream = add(server, port, tls)

    first = server.call("POST", f"/api/v1/data_streams/{stream}/test", expect=200)[1]
    assert (first["outcome"], first["status"], first["http_version"]) == ("delivered", 200, "2"), first

    lines = [delivered_form(*event(i)) for i in range(EVENTS)]
    server.call("POST", "/api/v1/events", "\n".join(lines).encode(), headers={"Content-Type": "application/x-ndjson"}, expect=200)
    wait_for(f"{EVENTS} delivered", lambda: server.health(stream)["counters"]["delivered"] >= EVENTS, 60)
    failed = server.call("GET", f"/api/v1/data_streams/{stream}/attempts?outcome=failed", expect=200)[1]["items"]
    assert failed == [], failed[:3]
    assert server.stop() == 0

    # Where HTTP/2 is switched off, the reason says what is missing.
    server = Server(folder / "other", environment={"MILLRACE_DELIVERY_HTTP2": "false"}).wait_ready()
    without = server.call("POST", f"/api/v1/data_streams/{add(server, port, tls)}/test", expect=200)[1]
    print(without["class"], "-", without["reason"])
    assert without["outcome"] == "failed" and "ALPN" in without["reason"], without
    assert server.stop() == 0
    receiver.stop()


story(run)
