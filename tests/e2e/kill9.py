"""kill -9 under load, 50 times: what was accepted arrives, no event is tried more than four times, surplus deliveries are bounded."""
import bisect
import random
import socket

from harness import *

KILLS = int(os.environ.get("MILLRACE_KILLS", "50"))
WINDOW = 64  # sends under way, at most


def listening_socket():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def activated(data, listener, **more):
    """Starts `serve` on a socket that outlives it, as systemd does."""
    # The socket becomes descriptor 3 in the process that execs the server, and LISTEN_PID its pid.
    launcher = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
                "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])")
    return Server(data, wrap=[sys.executable, "-c", launcher, str(listener.fileno())], pass_fds=(listener.fileno(),), **more)


def run(folder):
    seed = int(os.environ.get("MILLRACE_SEED", "0")) or random.randrange(1, 1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    listener = listening_socket()
    environment = {"MILLRACE_DELIVERY_WINDOW": str(WINDOW)}
    server = activated(folder / "data", listener, environment=environment).wait_ready()
    rates = random.Random(seed + 1)
    refused = set()

    def answer(delivery):
        number = re.search(rb'"submission_id":"(\d+)"', delivery["body"]).group(1)
        delivery["number"] = int(number)
        if rates.random() >= 0.01:
            return 200
        refused.add(int(number))
        return 503

    sink = Sink(answer=answer, keep_bodies=True)
    stream = server.add_stream(sink.url)
    key, secret = server.add_access_key()

    accepted, stop = {}, threading.Event()
    failures = []

    def produce(worker):
        client = CanvasClient(server.host, server.port, key, secret)
        number = 0
        pause = threading.Event()
        while not stop.is_set():
            batch = [event(worker * 10_000_000 + number + i) for i in range(20)]
            number += 20
            stored = client.put([producer_form(*e) for e in batch], f"w{worker}-{number}")
            for i, ok in enumerate(stored):
                if ok:
                    accepted[worker * 10_000_000 + number - 20 + i] = True
                else:
                    failures.append(number)
            pause.wait(0.01)

    workers = [threading.Thread(target=produce, args=(w,)) for w in range(3)]
    for worker in workers:
        worker.start()
    pause = threading.Event()
    kills = []
    for _ in range(KILLS):
        pause.wait(chance.uniform(0.02, 0.6))
        server.kill()
        kills.append(time.time())
        server = activated(folder / "data", listener, environment=environment).wait_ready()
    stop.set()
    for worker in workers:
        worker.join()

    def settled():
        health = server.health(stream["id"])
        return health["waiting"] == health["retrying"] and health["in_flight"] == 0
    wait_for("all but the retries delivered", settled, 120)
    health = server.health(stream["id"])
    deliveries = [d for d in sink.all()]
    good = [d for d in deliveries if d["status"] == 200]
    unique = {d["id"] for d in good}
    retrying = health["retrying"]
    print(f"accepted {len(accepted)}, lost at the producer {len(failures)}, delivered {len(unique)}, retrying {retrying}, "
          f"surplus {len(good) - len(unique)}, kills {KILLS}")
    assert len(accepted) > 20 * KILLS, "the load was too small to mean something"
    # An event that was refused once waits for its second try, minutes later; every other accepted one has arrived.
    missing = set(accepted) - {d["number"] for d in good}
    assert missing <= refused, f"{len(missing - refused)} accepted events never arrived: {sorted(missing - refused)[:5]}"
    assert len(missing) <= retrying, (len(missing), retrying)
    assert all(1 <= d["attempt"] <= 4 for d in deliveries)
    # A kill makes anew what was delivered since the last checkpoint, of which there is one a second at the latest, beside what was in flight.
    at = sorted(d["at"] for d in good)
    since_a_checkpoint = sum(bisect.bisect(at, kill) - bisect.bisect(at, kill - 1.25) for kill in kills)
    assert len(good) - len(unique) <= KILLS * WINDOW + since_a_checkpoint, (len(good) - len(unique), since_a_checkpoint)
    assert server.stop() == 0


if __name__ == "__main__":
    story(run)
