"""A newcomer's first half hour at the command line: streams, tokens, attempts, dead letters, help and errors."""
from harness import *


def run(folder):
    data = folder / "data"
    server = Server(data).wait_ready()
    at = ("--server", server.url, "--data", data)

    def table(*words, expect=0):
        return millrace(*words, *at, expect=expect)

    sink = Sink(answer=lambda d: 200 if d["headers"].get("millrace-event-type") != "course_created" else 500)
    added = json.loads(table("streams", "add", "--name", "First stream", "--url", sink.url, "--account", ACCOUNT, "--event-type", "*",
                             "--contact-email", "admin@example.edu", "--json").stdout)
    identifier = added["id"]
    assert "First stream" in table("streams", "list").stdout
    token = json.loads(table("tokens", "add", "--role", "producer", "--account", ACCOUNT, "--json").stdout)["token"]
    lines = [producer_form(*event(1)), producer_form(*event(2, name="course_created")), "not json"]
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n")
    sent = millrace("emit", folder / "events.ndjson", "--to", server.url, "--as", "json", "--token", token, expect=None)
    assert sent.returncode == 1 and "not" in sent.stderr, (sent.returncode, sent.stdout, sent.stderr)
    wait_for("both were tried", lambda: len(sink.all()) >= 2)

    def attempts(*more):
        return json.loads(table("attempts", identifier, "--json", *more).stdout)["items"]
    wait_for("both attempts are stored", lambda: len(attempts()) >= 2)
    failed = attempts("--outcome", "failed")
    assert len(failed) == 1 and failed[0]["status"] == 500 and failed[0]["class"] == "http", failed
    assert "course_created" in table("attempts", identifier).stdout

    key = json.loads(table("access-keys", "add", "--account", ACCOUNT, "--json").stdout)
    assert set(key) >= {"access_key_id", "secret_access_key"}
    (folder / "bad.ndjson").write_text('{"attributes":{"event_name":"x"},"body":{}}\n')
    emitted = millrace("emit", folder / "bad.ndjson", "--to", server.url, "--as", "kinesis", "--access-key", key["access_key_id"],
             "--secret-key", key["secret_access_key"])
    assert "Sent 0 events; 1 records are no events and became dead letters" in emitted.stdout, emitted.stdout
    letters = wait_for("the dead letter", lambda: json.loads(table("dead-letters", "list", "--json").stdout)["items"])
    assert "account" in letters[0]["reason"], letters
    assert letters[0]["reason"] in table("dead-letters", "show", letters[0]["id"]).stdout

    bad = table("streams", "add", "--name", "", "--url", "ftp://x", "--account", ACCOUNT, "--event-type", "*", "--contact-email", "nobody", expect=None)
    assert bad.returncode == 2 and "--name" in bad.stderr and "--url" in bad.stderr and "--contact-email" in bad.stderr, bad.stderr
    table("streams", "deactivate", identifier)
    assert "deactivated" in table("streams", "show", identifier).stdout
    table("streams", "activate", identifier, "--from", "stop")
    copy = json.loads(table("streams", "duplicate", identifier, "--json").stdout)
    table("streams", "delete", copy["id"], expect=2)  # nobody to ask
    table("streams", "delete", copy["id"], "--yes")
    table("streams", "show", copy["id"], expect=1)
    millrace("streams", "list", "--server", "http://127.0.0.1:9", "--token", "x", expect=3)
    millrace("streams", "list", "--no-such-flag", expect=2)
    assert "streams" in millrace("--help").stdout
    assert millrace("version").stdout.strip()
    doctor = millrace("doctor", *at, expect=None)
    assert doctor.returncode in (0, 1) and "clock" in doctor.stdout.lower(), doctor.stdout + doctor.stderr

    second = millrace("serve", "--data", data, "--listen", "127.0.0.1:0", expect=3)
    assert "another Millrace process" in second.stderr and len(second.stderr.strip().splitlines()) == 1, second.stderr
    metrics = server.call("GET", "/metrics", expect=200)[1].decode()
    for name in ("millrace_events_accepted_total", "millrace_deliveries_total", "millrace_commit_seconds", "millrace_log_bytes", "millrace_stream_waiting_events"):
        assert name in metrics, name
    assert server.call("GET", "/api/v1/data_streams", token="")[0] == 401
    assert server.stop() == 0


story(run)
