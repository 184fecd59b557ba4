"""Restarts under load with the listening socket held outside: Canvas's client, with its four tries in 2.1 s, loses nothing."""
from harness import *
from kill9 import activated, listening_socket


def run(folder):
    listener = listening_socket()
    server = activated(folder / "data", listener).wait_ready()
    sink = Sink(keep_bodies=True)
    server.add_stream(sink.url)
    key, secret = server.add_access_key()
    stop, sent, lost = threading.Event(), [], []

    def produce():
        client = CanvasClient(server.host, server.port, key, secret)
        number = 0
        pause = threading.Event()
        while not stop.is_set():
            batch = [event(number + i) for i in range(10)]
            number += 10
            stored = client.put([producer_form(*e) for e in batch], f"r{number}")
            sent.extend(batch)
            lost.extend(e for e, ok in zip(batch, stored) if not ok)
            pause.wait(0.01)

    producer = threading.Thread(target=produce)
    producer.start()
    pause = threading.Event()
    for _ in range(5):
        pause.wait(0.5)
        assert server.stop() == 0, "SIGTERM ends with 0"
        server = activated(folder / "data", listener).wait_ready()
    pause.wait(0.3)
    stop.set()
    producer.join()
    assert not lost, f"{len(lost)} of {len(sent)} events were lost at the producer"
    wait_for("every event delivered", lambda: len({d["body"] for d in sink.all()}) == len(sent), 60)
    bodies = [d["body"].decode() for d in sink.all()]
    print(f"{len(sent)} events over 5 restarts, {len(bodies) - len(set(bodies))} delivered twice")
    assert sorted(set(bodies)) == sorted(delivered_form(*e) for e in sent)
    assert server.stop() == 0


story(run)
