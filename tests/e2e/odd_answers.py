"""Receivers whose answers are odd but readable: each event is delivered once, the oddity is noted, the connection is not used again.

What says two things at once stays a failure. Files of the shared cases are sent as they are, where they are.
"""
from harness import *

OK = b"HTTP/1.1 200 OK\r\n"
ODD = {
    "equal lengths": OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine",
    "a list of lengths": OK + b"Content-Length: 4, 4\r\n\r\nfine",
    "a length beside chunks": OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "folded lines": OK + b"X-Policy: one;\r\n\ttwo\r\nContent-Length: 4\r\n\r\nfine",
    "line feeds": b"HTTP/1.1 204 No Content\nServer: old\n\n",
    "a space in a name": OK + b"Served By: a script\r\nContent-Length: 4\r\n\r\nfine",
    "a line without a colon": OK + b"served by a script\r\nContent-Length: 4\r\n\r\nfine",
    "64 KiB of headers": OK + b"X-Trace: " + b"t" * 70_000 + b"\r\nContent-Length: 4\r\n\r\nfine",
}
AMBIGUOUS = {
    "lengths that differ": OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine",
    "a second status": OK + b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}


class Raw:
    """Answers each request with the same bytes, and keeps the connection."""

    def __init__(self, answer):
        self.answer, self.requests, self.connections = answer, 0, 0
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._run, args=(started,), daemon=True).start()
        started.wait(10)

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        started.set()
        self.loop.run_forever()

    async def _client(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await reader.readexactly(int(re.search(r"content-length: (\d+)", head, re.I).group(1)))
                self.requests += 1
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def run(folder):
    server = Server(folder / "data").wait_ready()
    answers = dict(ODD)
    for case in sorted((SHARED / "cases").glob("answer-*.http")):
        answers[case.name] = case.read_bytes()
    if len(answers) == len(ODD):
        print("the shared cases are not here: own ones only")

    for name, answer in answers.items():
        receiver = Raw(answer)
        stream = server.add_stream(receiver.url)["id"]
        for number in range(1, 4):
            attempt = server.call("POST", f"/api/v1/data_streams/{stream}/test", expect=200)[1]
            assert attempt["outcome"] == "delivered", (name, attempt)
            assert "odd headers" in attempt["reason"], (name, attempt)
            assert (receiver.requests, receiver.connections) == (number, number), (name, receiver.requests, receiver.connections)
        kept = server.call("GET", f"/api/v1/data_streams/{stream}/attempts", expect=200)[1]["items"]
        assert {a["reason"] for a in kept} == {attempt["reason"]}, kept
        print(f"{name}: {attempt['reason']}")
    for name, answer in AMBIGUOUS.items():
        receiver = Raw(answer)
        stream = server.add_stream(receiver.url)["id"]
        attempt = server.call("POST", f"/api/v1/data_streams/{stream}/test", expect=200)[1]
        assert (attempt["outcome"], attempt["class"]) == ("failed", "protocol"), (name, attempt)
        print(f"{name}: {attempt['reason']}")
    assert server.stop() == 0


story(run)
