"""A data stream in the Caliper format, from outside: envelopes that conform, signed ones that PyJWT verifies, refusals by name, checks, drift."""
import jwt
from harness import *


def example(name):
    """The catalogue's example of an event, in the producer's form and with the story's account."""
    entry = json.loads((ROOT / "catalog" / f"{name}.json").read_text())["example"]
    entry["metadata"]["root_account_uuid"] = ACCOUNT
    return json.dumps({"attributes": entry["metadata"], "body": entry["body"]}, ensure_ascii=False)


def with_form():
    return sorted(p.stem for p in (ROOT / "catalog").glob("*.json") if "caliper" in json.loads(p.read_text()))


def envelope_holds(envelope, delivery):
    assert set(envelope) == {"sensor", "sendTime", "dataVersion", "data"}, set(envelope)
    assert len(envelope["data"]) == 1
    event_id = envelope["data"][0]["id"]
    assert event_id == "urn:uuid:" + delivery["id"], event_id
    assert not any(v is None for v in envelope["data"][0].values()), envelope


def streams_get_envelopes(folder, server, client):
    plain, signed_sink = Sink(), Sink()
    stream = server.add_stream(plain.url, format="caliper", name="plain")
    server.add_stream(signed_sink.url, format="caliper", sign=True, name="signed")
    names = with_form()
    assert len(names) == 32, names
    assert all(client.put([example(n) for n in names] + [example("module_created"), example("course_progress")], "caliper-1"))
    wait_for("32 plain deliveries", lambda: len(plain.all()) >= 32)
    wait_for("32 signed deliveries", lambda: len(signed_sink.all()) >= 32)

    for delivery in plain.all():
        assert delivery["headers"]["content-type"] == "application/json", delivery["headers"]
        envelope_holds(json.loads(delivery["body"]), delivery)
        path = folder / "envelope.json"
        path.write_bytes(delivery["body"])
        millrace("caliper", "check", path, "--profile", "canvas")
    keys = jwt.PyJWKClient(server.url + "/jwks")
    by_id = {d["id"]: json.loads(d["body"]) for d in plain.all()}
    for delivery in signed_sink.all():
        token = delivery["body"].decode()
        claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key, algorithms=["RS256"],
                            issuer="https://live-events.canvas.instructure.com")
        assert claims.pop("jti") == delivery["id"]
        assert claims.pop("iss") and claims.pop("iat")
        assert claims == by_id[delivery["id"]], claims

    # What has no form is not sent, and counted.
    health = wait_for("all settled", lambda: (h := server.health(stream["id"]))["waiting"] == 0 and h)
    assert health["without_form"] == 2 and health["counters"]["delivered"] == 32, health
    line = f'millrace_stream_without_form_total{{stream="{stream["id"]}"}} 2'
    wait_for("the metric", lambda: line in server.call("GET", "/metrics")[1].decode())
    return plain


def refusals_name_the_type(server):
    reach = ("--server", server.url, "--token", server.token())
    refused = millrace("streams", "add", "--name", "x", "--account", ACCOUNT, "--url", "https://receiver.example.edu/",
                       "--contact-email", "admin@example.edu", "--format", "caliper", "--event-type", "module_created", *reach, expect=2)
    assert "module_created" in refused.stderr and "Caliper" in refused.stderr, refused.stderr
    assert [i["name"] for i in server.call("GET", "/api/v1/event_types?format=caliper", expect=200)[1]["items"]] == with_form()
    shown = server.call("GET", "/api/v1/event_types/grade_change", expect=200)[1]
    assert shown["example"]["caliper"]["data"][0]["type"] == "GradeEvent" and shown["seen"] == 1, shown


def drift_is_told(server, client):
    strange = json.loads(example("course_created"))
    strange["body"]["surprise"] = 1
    assert all(client.put([json.dumps(strange), producer_form(*event(1, name="quizzes.item_created"))], "caliper-2"))
    listed = wait_for("two entries of drift", lambda: (d := server.call("GET", "/api/v1/event_types/drift", expect=200)[1]["items"])
                      and len(d) == 2 and d)
    assert [(i["event_type"], i["field"], i["count"]) for i in listed] == [
        ("course_created", "body.surprise", 1), ("quizzes.item_created", None, 1)], listed
    table = millrace("events", "drift", "--server", server.url, "--token", server.token()).stdout
    assert "body.surprise" in table and "quizzes.item_created" in table, table


def a_refusing_check_holds_nothing_back_for_free_text(folder):
    server = Server(folder / "strict", environment={"MILLRACE_CALIPER_VALIDATE": "refuse"}).wait_ready()
    sink = Sink()
    stream = server.add_stream(sink.url, format="caliper")
    client = CanvasClient(server.host, server.port, *server.add_access_key())
    odd = json.loads(example("course_created"))
    odd["attributes"].update(event_time="some day", referrer="canvas app", session_id="two words")
    assert all(client.put([example("grade_change"), json.dumps(odd)], "caliper-3"))
    health = wait_for("both delivered", lambda: (h := server.health(stream["id"]))["counters"]["delivered"] == 2 and h)
    assert health["format_refused"] == 0 and health["undelivered"] == 0, health
    made = next(e for e in (json.loads(d["body"])["data"][0] for d in sink.all()) if e["action"] == "Created")
    assert "referrer" not in made and "session" not in made, made
    envelope = next(json.loads(d["body"]) for d in sink.all() if json.loads(d["body"])["data"][0]["id"] == made["id"])
    assert made["eventTime"] == envelope["sendTime"], envelope
    assert server.stop() == 0


def run(folder):
    server = Server(folder / "data").wait_ready()
    client = CanvasClient(server.host, server.port, *server.add_access_key())
    streams_get_envelopes(folder, server, client)
    refusals_name_the_type(server)
    drift_is_told(server, client)
    assert server.stop() == 0
    a_refusing_check_holds_nothing_back_for_free_text(folder)


story(run)
