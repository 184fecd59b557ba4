"""From Canvas's own request form to a receiver's file: what a producer sent lies there byte for byte."""
import json
from pathlib import Path

from harness import *


def run(folder):
    server = Server(folder / "data").wait_ready()
    store = folder / "received"
    receiver = Process([MILLRACE, "receive", "https", "--listen", "127.0.0.1:0", "--jwks", server.url + "/jwks", "--store", f"file://{store}",
                        "--layout", "per-event"], folder / "receive.log").wait_ready()
    stream = server.add_stream(receiver.url + "/events", sign=True)

    key, secret = server.add_access_key()
    client = CanvasClient(server.host, server.port, key, secret)
    sent = [event(i) for i in range(25)]
    assert client.put([producer_form(*e) for e in sent], "story-1") == [True] * 25
    # The same call again, as the SDK repeats it after a lost answer, is stored once.
    assert client.put([producer_form(*e) for e in sent], "story-1") == [True] * 25

    files = wait_for("25 files at the receiver", lambda: (f := list(store.rglob("*.json"))) and len(f) >= 25 and f)
    contents = sorted(f.read_text().rstrip("\n") for f in files)
    assert contents == sorted(delivered_form(*e) for e in sent), contents[:2]
    for file in files:
        assert len(file.relative_to(store).parts) == 5, file  # YYYY/MM/DD/HH/<event_id>.json

    health = wait_for("nothing waits", lambda: (h := server.health(stream["id"])) and h["waiting"] == 0 and h)
    assert health["undelivered"] == 0, health
    attempts = server.call("GET", f"/api/v1/data_streams/{stream['id']}/attempts?limit=100", expect=200)[1]["items"]
    assert len(attempts) == 25 and all(a["outcome"] == "delivered" and a["attempt"] == 1 for a in attempts), attempts[:2]

    assert server.stop() == 0
    assert receiver.stop() == 0


story(run)
