"""The command line against a real server: every question has a command, wrong input is refused with what was probably meant, a loss is asked for."""
import pty

from harness import *

# Words, the exit status, and what stderr must say. STREAM and the flags that reach the server are put in.
WRONG = [
    ("strems list", 2, "did you mean `millrace streams`?"),
    ("streams lst", 2, "did you mean `millrace streams list`?"),
    ("streams list --jsn", 2, "did you mean --json?"),
    ("streams add --name x", 2, "needs --url, --account, --event-type, --contact-email"),
    ("streams show", 2, "needs STREAM"),
    ("streams show Frist", 1, 'did you mean "First"?'),
    ("streams show ''", 2, "the word is empty"),
    ("streams edit First", 2, "nothing to change"),
    ("streams edit First --sign --no-sign", 2, "--no-sign"),
    ("streams edit First --format calipr", 2, "did you mean caliper?"),
    ("streams edit First --rate-limit fast", 2, "--rate-limit fast: is neither a number nor none"),
    ("streams edit First --header nonsense", 2, "--header"),
    ("streams edit First --client-key /nonexistent", 3, "--client-key: "),
    ("streams edit First --url https://10.0.0.7/", 2, "--delivery-allow 10.0.0.7/32"),
    ("streams edit First --contact-email nobody", 2, "--contact-email: "),
    ("streams edit First --event-type grade_chnage", 2, "did you mean grade_change?"),
    ("streams edit First --event-type course_*", 2, "--event-type: "),
    ("streams edit First --event-type a,b", 2, "--event-type: "),
    ("streams activate First --from yesterday", 2, "--from"),
    ("attempts First --outcome lost", 2, "is not one of delivered, failed"),
    ("attempts First --since soon", 2, "--since"),
    ("undelivered Secnod", 1, 'did you mean "Second"?'),
    ("events show grade_chnage", 1, "did you mean grade_change?"),
    ("events find 0192", 2, "is only the beginning of an id"),
    ("events find 01a22317-e712-7eca-93e9-7a386b459d16", 1, "no such event"),
    ("tokens add --role admin", 2, "is not one of owner, editor, viewer, producer"),
    ("tokens revoke nobody", 1, "there is no such token"),
    ("access-keys revoke AKIANOBODY", 1, "there is no such access key"),
    ("keys rotate --emergency nokey --yes", 1, "there is no such signing key"),
    ("dead-letters show 0000", 1, "there is no such dead letter"),
]
# What has an answer, in text and as JSON.
RIGHT = ["streams list", "streams show First", "attempts First", "undelivered First", "events list", "events show grade_change", "events drift",
         "accounts", "audit", "tokens list", "access-keys list", "keys list", "dead-letters list"]


def on_terminal(words, answer):
    """Runs it in a terminal and types `answer`; gives what was shown and the exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(MILLRACE, [MILLRACE, *map(str, words)])
    text, typed = b"", False
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side has gone
            break
        if not piece:
            break
        text += piece
        if not typed and b"[y/N]" in text:
            os.write(terminal, answer.encode() + b"\n")
            typed = True
    return text.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(folder):
    data = folder / "data"
    server = Server(data).wait_ready()
    sink = Sink()
    at = ("--server", server.url, "--data", data)
    first = server.add_stream(sink.url, name="First")["id"]
    server.add_stream(sink.url, name="Second")
    server.call("POST", "/api/v1/events", [json.loads(producer_form(*event(n)).replace('"attributes"', '"metadata"')) for n in range(3)], expect=200)
    wait_for("deliveries", lambda: len(sink.all()) >= 6)

    def tell(*words, expect=0, **more):
        return millrace(*words, *at, expect=expect, **more)

    for line, status, said in WRONG:
        words = [word.strip("'") for word in line.split()]
        got = millrace(*words, *(at if words[:2] not in (["events", "show"], ["strems", "list"]) else ()), expect=None)
        assert got.returncode == status and said in got.stderr, (line, got.returncode, got.stdout, got.stderr)
        errors = [one for one in got.stderr.splitlines() if "note: " not in one]
        assert len(errors) == 1 and errors[0].startswith("millrace: ") and not got.stdout, (line, got.stderr, got.stdout)

    for line in RIGHT:
        words = line.split()
        reach = () if words[:2] in (["events", "list"], ["events", "show"]) else at
        text = millrace(*words, *reach)
        assert text.stdout.strip() and not text.stderr, (line, text.stdout, text.stderr)
        json.loads(millrace(*words, *reach, "--json").stdout)

    # Names and beginnings of ids.
    assert json.loads(tell("streams", "show", "First", "--json").stdout)["id"] == first
    assert first in tell("streams", "show", first[:-1]).stdout
    assert "delivered" in tell("streams", "show", first.upper(), "--json").stdout
    event_id = sink.all()[0]["id"]
    found = wait_for("its attempt is stored", lambda: (lambda text: text if "the last delivered (200)" in text else None)(tell("events", "find", event_id).stdout))
    assert "First" in found and "submission_id" in found, found

    # The verdict comes first, and what is given without effect is told.
    tested = tell("streams", "test", "First").stdout
    assert tested.startswith("Delivered: 200 in "), tested
    quiet = tell("streams", "edit", "First", "--signed-body", "quoted", "--breaker", "off")
    assert "note: --signed-body has no effect" in quiet.stderr and "no effect in this version" in quiet.stderr, quiet.stderr
    same = tell("streams", "edit", "Second", "--name", "First")
    assert "note: " in same.stderr and first in same.stderr, same.stderr
    both = tell("streams", "show", "First", expect=2)
    assert "more than one data stream" in both.stderr, both.stderr
    second = next(s["id"] for s in json.loads(tell("streams", "list", "--json").stdout)["items"] if s["id"] != first)
    tell("streams", "edit", second, "--name", "Second")

    # Who asks, and whom.
    token = json.loads(tell("tokens", "add", "--role", "viewer", "--name", "All", "--json").stdout)["token"]
    assert "every account" in tell("tokens", "add", "--role", "viewer", "--name", "Other").stderr
    by_environment = {"MILLRACE_SERVER": server.url, "MILLRACE_TOKEN": token}
    assert "First" in millrace("streams", "list", environment=by_environment).stdout
    empty = millrace("streams", "list", *at, "--token", "", expect=2)
    assert "--token: is empty" in empty.stderr, empty.stderr
    empty = millrace("streams", "list", *at, environment={"MILLRACE_TOKEN": ""}, expect=2)
    assert "MILLRACE_TOKEN: is set and empty" in empty.stderr, empty.stderr
    assert "--data is not used" in millrace("streams", "list", *at, "--token", token).stderr
    late = millrace("streams", "list", "--server", "http://127.0.0.1:9", "--token", "x", "--wait", "100ms", expect=3)
    assert "not ready within 100ms" in late.stderr, late.stderr

    # A loss is told in numbers and asked for; without a terminal it is refused.
    for words in (("streams", "delete", "Second"), ("tokens", "revoke", "All"), ("keys", "rotate")):
        refused = tell(*words, expect=2)
        assert "--yes" in refused.stderr, refused.stderr
    shown, status = on_terminal(("streams", "delete", "Second", *at), "n")
    assert status == 1 and "0 events that wait for it" in shown and "nothing was done" in shown, shown
    tell("streams", "show", "Second")
    shown, status = on_terminal(("streams", "delete", "Second", *at), "y")
    assert status == 0 and "Deleted" in shown, shown
    tell("streams", "show", "Second", expect=1)
    assert "Revoked the token" in tell("tokens", "revoke", "All", "--yes").stdout
    millrace("streams", "list", environment=by_environment, expect=3)
    tell("keys", "rotate", "--yes")
    assert "signing_keys.rotate" in tell("audit").stdout

    # doctor looks at streams and letters, and writes only into a folder of a service.
    sink.answer = lambda delivery: 500
    tell("streams", "test", "First", expect=1)
    told = millrace("doctor", *at, "--json", expect=None)
    checks = {one["check"]: one for one in json.loads(told.stdout)}
    assert {"folder", "space", "disk", "service", "streams", "letters"} <= set(checks), checks.keys()
    empty_folder = folder / "nothing"
    empty_folder.mkdir()
    for place in (empty_folder, folder / "absent"):
        none = millrace("doctor", "--data", place, expect=1)
        assert "fail  folder" in none.stdout and "disk" not in none.stdout, none.stdout
    assert not list(empty_folder.iterdir()) and not (folder / "absent").exists()
    here = subprocess.run([MILLRACE, "doctor", "--server", server.url], cwd=empty_folder, capture_output=True, text=True, check=False, timeout=60)
    assert "is ready" in here.stdout and not re.search(r"^\w+ +folder ", here.stdout, re.M) and not list(empty_folder.iterdir()), here.stdout

    # Settings: a slip of the finger is told with what was meant.
    wrong = millrace("serve", "--data", folder / "other", environment={"MILLRACE_DELVERY_ALLOW": "10.0.0.0/8"}, expect=2)
    assert "did you mean MILLRACE_DELIVERY_ALLOW?" in wrong.stderr, wrong.stderr

    # What came from outside steers no terminal.
    server.add_stream(sink.url, name="Turned \u202etxt")
    assert "\u202e" not in tell("streams", "list").stdout
    assert server.stop() == 0


story(run)
