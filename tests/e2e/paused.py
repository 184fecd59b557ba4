"""The whole process stands still (SIGSTOP) for longer than an attempt may take: that is not the receiver's fault, and no try is burnt."""
from harness import *

DEADLINE = 15.0  # of an attempt


def run(folder):
    server = Server(folder / "data").wait_ready()
    asked, over = threading.Event(), threading.Event()

    def answer(delivery):
        if not asked.is_set():
            asked.set()
            over.wait(60)  # the first is not answered while its sender stands still
        return 200

    sink = Sink(answer=answer)
    stream = server.add_stream(sink.url)["id"]
    one = delivered_form(*event(1)).encode()
    server.call("POST", "/api/v1/events", one, headers={"Content-Type": "application/json"}, expect=200)
    assert asked.wait(20), "the first attempt is under way"

    server.process.send_signal(signal.SIGSTOP)
    threading.Event().wait(DEADLINE + 1)
    server.process.send_signal(signal.SIGCONT)

    def attempts():
        return server.call("GET", f"/api/v1/data_streams/{stream}/attempts", expect=200)[1]["items"]

    first = wait_for("the attempt ends", attempts, 20)[0]
    over.set()
    assert (first["class"], first["outcome"], first["attempt"]) == ("own_side", "waiting", 1), first
    assert "did not run" in first["reason"], first
    second = wait_for("it is sent again", lambda: len(attempts()) == 2 and attempts(), 30)[0]
    assert (second["outcome"], second["attempt"], second["event_id"]) == ("delivered", 1, first["event_id"]), second
    print(first["reason"])
    health = server.health(stream)
    assert health["waiting"] == 0 and health["counters"]["delivered"] == 1, health
    assert server.stop() == 0


story(run)
