"""A machine without a network but loopback: what cannot be sent is our own trouble, no try is burnt, and a refusal stays the endpoint's."""
import fcntl
import socket
import struct

from harness import *


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, 0x8913, request))[1]  # SIOCGIFFLAGS
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def attempts(server, stream):
    return server.call("GET", f"/api/v1/data_streams/{stream}/attempts", expect=200)[1]["items"]


def run(folder):
    raise_loopback()
    allowed = {"MILLRACE_DELIVERY_ALLOW": "127.0.0.0/8,192.0.2.0/24"}
    server = Server(folder / "data", environment=allowed).wait_ready()
    far = server.add_stream("https://192.0.2.1/hook")["id"]
    named = server.add_stream("https://hooks.example.org/hook", name="named")["id"]
    near = server.add_stream(f"https://127.0.0.1:{closed_port()}/hook", name="near")["id"]

    lines = "\n".join(delivered_form(*event(i)) for i in range(3))
    server.call("POST", "/api/v1/events", lines.encode(), headers={"Content-Type": "application/x-ndjson"}, expect=200)
    wait_for("tries of all streams", lambda: all(len(attempts(server, s)) >= 3 for s in (far, named, near)), 40)

    for stream, reason in ((far, "Network is unreachable"), (named, "name server")):
        for attempt in attempts(server, stream):
            assert (attempt["class"], attempt["attempt"]) == ("own_side", 1), attempt
            assert reason in attempt["reason"], attempt
    for attempt in attempts(server, near):
        assert attempt["class"] == "connect" and "refused" in attempt["reason"], attempt

    # The same number again, 7.5 to 12.5 s later.
    wait_for("second looks", lambda: len(attempts(server, far)) >= 6, 40)
    assert {a["attempt"] for a in attempts(server, far)} == {1}, attempts(server, far)
    assert server.health(far)["undelivered"] == 0
    assert server.stop() == 0


if os.environ.get("MILLRACE_ALONE") == "1":
    story(run)
elif not shutil.which("unshare") or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0:
    skip("a network namespace of one's own is not permitted here")
else:
    os.execvpe("unshare", ["unshare", "--net", sys.executable, "-u", __file__], dict(os.environ, MILLRACE_ALONE="1"))
