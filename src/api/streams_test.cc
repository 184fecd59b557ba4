#include "api/routes.h"
#include "api/world_test.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;
using model::Role;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr auto all_streams = "/api/v1/data_streams";

struct StreamsTest : ::testing::Test {
  World world;
  std::string editor = world.token(Role::editor, {ours});

  std::string path(std::string const& id, std::string const& more = "") {
    return std::string(all_streams) + "/" + id + more;
  }
  std::string stream(std::string_view name = "Ally") {
    return world.make_stream(editor, stream_body(ours, name));
  }
  Reply post(std::string const& target, std::string body = "",
             std::vector<http::Header> headers = {}) {
    return world.call("POST", target, editor, std::move(body), std::move(headers));
  }
  Reply get(std::string const& target) { return world.call("GET", target, editor); }
  Reply patch(std::string const& id, std::string body, std::vector<http::Header> headers = {}) {
    return world.call("PATCH", path(id), editor, std::move(body), std::move(headers));
  }
};

TEST_F(StreamsTest, a_made_stream_is_answered_stored_and_at_work) {
  auto const made = post(all_streams, stream_body());

  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.header("ETag"), "\"1\"");
  EXPECT_EQ(made.header("Location"), path(made.text("id")));
  EXPECT_EQ(made.text("state"), "active");
  EXPECT_THAT(made.body, HasSubstr(R"("headers":{"Authorization":null})"));
  EXPECT_THAT(world.lanes.told, ElementsAre("Ally v1 active"));
  world.restart();
  EXPECT_EQ(get(path(made.text("id"))).body, made.body);
}

TEST_F(StreamsTest, all_faults_of_an_input_are_told_at_once) {
  auto const refused = post(
      all_streams,
      R"({"name":"","account":")" + std::string(theirs) +
          R"(","event_types":["a"],"colour":1,"delivery":{"method":"https","url":"https://127.1/"}})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.header("Content-Type"), "application/problem+json");
  EXPECT_THAT(
      refused.all("errors", "field"),
      UnorderedElementsAre("/name", "/account", "/colour", "/contact_email", "/delivery/url"));
  EXPECT_THAT(world.lanes.told, IsEmpty());
  EXPECT_THAT(world.registry->streams(), IsEmpty());
}

TEST_F(StreamsTest, a_stream_of_another_account_is_forbidden) {
  auto const refused = post(all_streams, stream_body(theirs));

  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.all("errors", "field"), ElementsAre("/account"));
}

TEST_F(StreamsTest, only_a_credential_of_every_account_makes_a_stream_of_every_account) {
  EXPECT_GE(post(all_streams, stream_body("*")).status, 400);
  EXPECT_EQ(
      world.call("POST", all_streams, world.token(Role::editor, {ours, theirs}), stream_body("*"))
          .status,
      400);
  auto const operator_token = world.token(Role::editor, {"*"});
  auto const id = world.make_stream(operator_token, stream_body("*"));

  EXPECT_EQ(get(path(id)).status, 404);
  EXPECT_EQ(world.call("GET", path(id), operator_token).status, 200);
}

TEST_F(StreamsTest, lists_have_pages_and_filters) {
  std::vector<std::string> ids;
  for (auto const* const name : {"a", "b", "c"}) {
    world.sim.advance(1ms);
    ids.push_back(stream(name));
  }
  EXPECT_EQ(post(path(ids[1], "/deactivate")).status, 200);

  auto const first = get(std::string(all_streams) + "?limit=2");
  EXPECT_THAT(first.all("items", "name"), ElementsAre("a", "b"));
  auto const second = get(std::string(all_streams) + "?limit=2&after=" + first.text("next"));
  EXPECT_THAT(second.all("items", "name"), ElementsAre("c"));
  EXPECT_THAT(second.body, HasSubstr(R"("next":null)"));
  EXPECT_THAT(get(std::string(all_streams) + "?state=deactivated").all("items", "name"),
              ElementsAre("b"));
  EXPECT_THAT(get(std::string(all_streams) + "?account=" + theirs).all("items", "name"), IsEmpty());
  auto const faulty = get(std::string(all_streams) + "?limit=0&stat=x");
  EXPECT_EQ(faulty.status, 400);
}

TEST_F(StreamsTest, a_patch_changes_what_it_names_and_keeps_secrets) {
  auto const id = stream();
  world.sim.advance(1s);

  auto const changed = patch(id, R"({"name":"New","event_types":["*"]})");

  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.text("name"), "New");
  EXPECT_EQ(changed.header("ETag"), "\"2\"");
  EXPECT_EQ(world.registry->stream(*StreamId::parse(id))->headers.at("Authorization"),
            "s3cr3t-header");
  EXPECT_THAT(world.lanes.told, ElementsAre("Ally v1 active", "New v2 active"));
}

TEST_F(StreamsTest, kept_secrets_do_not_follow_a_stream_to_another_address) {
  auto const id = stream();

  auto const refused = patch(id, R"({"delivery":{"url":"https://other.example/"}})");
  auto const same_origin =
      patch(id, R"({"delivery":{"url":"https://ally.example.edu/elsewhere"}})");
  auto const given_again = patch(
      id, R"({"delivery":{"url":"https://other.example/"},"headers":{"Authorization":"new"}})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"), ElementsAre("/headers"));
  EXPECT_EQ(same_origin.status, 200) << same_origin.body;
  EXPECT_EQ(given_again.status, 200) << given_again.body;
}

TEST_F(StreamsTest, a_patch_that_changes_nothing_makes_no_version) {
  auto const id = stream();

  EXPECT_EQ(patch(id, R"({"name":"Ally"})").header("ETag"), "\"1\"");
  EXPECT_THAT(world.lanes.told, SizeIs(1));
}

TEST_F(StreamsTest, a_patch_tells_all_faults_and_changes_nothing) {
  auto const id = stream();

  auto const refused =
      patch(id, R"({"state":"active","version":9,"delivery":{"url":"ftp://x"},"name":7})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"),
              UnorderedElementsAre("/state", "/version", "/delivery/url", "/name"));
  EXPECT_EQ(get(path(id)).header("ETag"), "\"1\"");
}

TEST_F(StreamsTest, a_stream_does_not_move_to_another_account) {
  auto const both = world.token(Role::editor, {ours, theirs});
  auto const id = stream();

  auto const refused =
      world.call("PATCH", path(id), both, R"({"account":")" + std::string(theirs) + R"("})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"), ElementsAre("/account"));
  EXPECT_EQ(patch(id, R"({"account":")" + std::string(theirs) + R"("})").status, 403);
}

TEST_F(StreamsTest, if_match_guards_each_change) {
  auto const id = stream();
  ASSERT_EQ(patch(id, R"({"name":"B"})", {{"If-Match", "\"1\""}}).status, 200);

  for (auto const* const action : {"/deactivate", "/activate"})
    EXPECT_EQ(post(path(id, action), "", {{"If-Match", "\"1\""}}).status, 412) << action;
  EXPECT_EQ(patch(id, R"({"name":"C"})", {{"If-Match", "\"1\""}}).status, 412);
  EXPECT_EQ(world.call("DELETE", path(id), editor, "", {{"If-Match", "\"1\""}}).status, 412);
  EXPECT_EQ(get(path(id)).text("name"), "B");
  EXPECT_EQ(patch(id, R"({"name":"D"})", {{"If-Match", "\"9\", \"2\""}}).status, 200);
  EXPECT_EQ(patch(id, R"({"name":"E"})", {{"If-Match", "*"}}).status, 200);
}

TEST_F(StreamsTest, a_known_version_is_not_sent_again) {
  auto const id = stream();

  auto const same = world.call("GET", path(id), editor, "", {{"If-None-Match", "\"1\""}});

  EXPECT_EQ(same.status, 304);
  EXPECT_THAT(same.body, IsEmpty());
}

TEST_F(StreamsTest, a_deleted_stream_is_gone_everywhere) {
  auto const id = stream();

  EXPECT_EQ(world.call("DELETE", path(id), editor).status, 204);

  EXPECT_EQ(get(path(id)).status, 404);
  EXPECT_EQ(world.call("DELETE", path(id), editor).status, 404);
  EXPECT_THAT(world.lanes.told, ElementsAre("Ally v1 active", "Ally v2 gone"));
  world.restart();
  EXPECT_EQ(get(path(id)).status, 404);
}

TEST_F(StreamsTest, a_copy_is_deactivated_and_has_the_secrets) {
  auto const id = stream();

  auto const copy = post(path(id, "/duplicate"));

  ASSERT_EQ(copy.status, 201) << copy.body;
  EXPECT_NE(copy.text("id"), id);
  EXPECT_EQ(copy.text("name"), "Ally (copy)");
  EXPECT_EQ(copy.text("state"), "deactivated");
  EXPECT_EQ(copy.text("state_reason"), "by_user");
  EXPECT_EQ(copy.header("ETag"), "\"1\"");
  EXPECT_EQ(world.registry->stream(*StreamId::parse(copy.text("id")))->headers.at("Authorization"),
            "s3cr3t-header");
  EXPECT_THAT(world.lanes.told, ElementsAre("Ally v1 active", "Ally (copy) v1 deactivated"));
}

TEST_F(StreamsTest, the_name_of_a_copy_stays_within_its_limit) {
  std::string long_name;
  for (int i = 0; i < 255; ++i) long_name += "\xC3\xA9";

  auto const copy = post(path(stream(long_name), "/duplicate"));

  ASSERT_EQ(copy.status, 201);
  EXPECT_EQ(copy.text("name"), long_name.substr(0, 2 * 248) + " (copy)");
}

TEST_F(StreamsTest, a_stream_is_stopped_and_started_from_where_one_says) {
  auto const id = stream();
  world.add_event(ours, "grade_change");
  world.sim.advance(24h * 10);
  auto const first_of_today = iso_s(world.sim.clock().wall());
  world.add_event(ours, "grade_change");
  world.add_event(ours, "grade_change");
  auto const cycle = [&](std::string const& body) {
    EXPECT_EQ(post(path(id, "/deactivate")).text("state_reason"), "by_user");
    auto const started = post(path(id, "/activate"), body);
    EXPECT_EQ(started.text("state"), "active") << started.body;
    return world.lanes.latest->resume;
  };

  EXPECT_EQ(cycle(""), (model::Resume{1, std::nullopt}));
  EXPECT_EQ(cycle(R"({"from":"stop"})"), (model::Resume{2, std::nullopt}));
  EXPECT_EQ(cycle(R"({"from":"now"})"), (model::Resume{3, 4}));
  EXPECT_EQ(cycle(R"({"from":")" + first_of_today + R"("})"), (model::Resume{4, 2}));
  EXPECT_EQ(world.lanes.told.back(), "Ally v9 active");
}

TEST_F(StreamsTest, a_start_that_makes_no_sense_is_refused) {
  auto const id = stream();

  EXPECT_EQ(post(path(id, "/activate")).status, 409);
  EXPECT_EQ(post(path(id, "/deactivate")).status, 200);
  EXPECT_EQ(post(path(id, "/deactivate")).header("ETag"), "\"2\"");  // no second change
  EXPECT_EQ(post(path(id, "/activate"), R"({"from":"yesterday"})").status, 400);
  EXPECT_EQ(post(path(id, "/activate"), R"({"form":"now"})").status, 400);
  EXPECT_EQ(post(path(id, "/activate"), R"([1])").status, 400);
  EXPECT_EQ(get(path(id)).text("state"), "deactivated");
}

TEST_F(StreamsTest, a_start_from_a_time_to_come_is_refused_and_skips_nothing) {
  auto const id = stream();
  EXPECT_EQ(post(path(id, "/deactivate")).status, 200);
  auto const to_come = iso_s(world.sim.clock().wall() + 1h);

  auto const refused = post(path(id, "/activate"), R"({"from":")" + to_come + R"("})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"), ElementsAre("/from"));
  EXPECT_THAT(refused.text("detail"), HasSubstr("lies in the future"));
  EXPECT_EQ(get(path(id)).text("state"), "deactivated");
  EXPECT_THAT(world.lanes.told, Not(::testing::Contains(HasSubstr("Ally v3"))));
}

TEST_F(StreamsTest, a_start_says_how_many_events_it_skipped_in_its_answer_and_in_the_audit_log) {
  auto const id = stream();
  EXPECT_EQ(post(path(id, "/deactivate")).status, 200);
  world.lanes.counts.skipped = 51;

  auto const started = post(path(id, "/activate"), R"({"from":"now"})");

  EXPECT_EQ(started.status, 200);
  EXPECT_EQ(started.json().at("skipped").to_number<int>(), 51) << started.body;
  auto const audit = world.call("GET", "/api/v1/audit", world.token(Role::owner, {"*"})).body;
  EXPECT_THAT(audit, HasSubstr(R"("action":"data_streams.skipped","object":")" + id));
  EXPECT_THAT(audit, HasSubstr(R"({"field":"/events","to":51})"));
}

TEST_F(StreamsTest,
       a_deletion_says_how_many_events_went_with_it_in_its_answer_and_in_the_audit_log) {
  auto const id = stream();
  world.lanes.counts.dropped = 12;
  world.lanes.counts.dropped_undelivered = 3;

  auto const gone = world.call("DELETE", path(id), editor);

  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.header("Millrace-Dropped-Events"), "12");
  EXPECT_EQ(gone.header("Millrace-Dropped-Undelivered"), "3");
  auto const audit = world.call("GET", "/api/v1/audit", world.token(Role::owner, {"*"})).body;
  EXPECT_THAT(audit, HasSubstr(R"("action":"data_streams.dropped","object":")" + id));
  EXPECT_THAT(audit, HasSubstr(R"({"field":"/events","to":12},{"field":"/undelivered","to":3})"));
}

TEST_F(StreamsTest, a_node_that_stops_refuses_every_change_and_stores_nothing) {
  auto const id = stream();
  auto const stopped = stream("B");
  EXPECT_EQ(post(path(stopped, "/deactivate")).status, 200);
  auto const told = world.lanes.told;
  world.lanes.stopping = true;

  auto const made = post(all_streams, stream_body(ours, "C"));
  EXPECT_EQ(made.status, 503);
  EXPECT_EQ(made.header("Retry-After"), "1");
  EXPECT_THAT(made.text("detail"), HasSubstr("nothing was changed"));
  EXPECT_EQ(patch(id, R"({"name":"D"})").status, 503);
  EXPECT_EQ(post(path(id, "/duplicate")).status, 503);
  EXPECT_EQ(post(path(id, "/deactivate")).status, 503);
  EXPECT_EQ(post(path(stopped, "/activate")).status, 503);
  EXPECT_EQ(world.call("DELETE", path(id), editor).status, 503);

  EXPECT_EQ(world.lanes.told, told);
  world.restart();
  EXPECT_THAT(get(all_streams).all("items", "name"), UnorderedElementsAre("Ally", "B"));
  EXPECT_EQ(get(path(stopped)).text("state"), "deactivated");
}

TEST_F(StreamsTest, a_change_that_its_lane_did_not_take_is_stored_and_told_so) {
  auto const id = stream();
  world.lanes.trouble = Error{Fault::io, "disk 7"};
  auto const made = post(all_streams, stream_body(ours, "second"));
  world.lanes.trouble = Error{Fault::uncertain, "disk 7"};
  auto const changed = patch(id, R"({"name":"New"})");
  world.lanes.trouble = Error{Fault::busy, "disk 7"};
  auto const stopped = post(path(id, "/deactivate"));
  world.lanes.trouble = Error{Fault::busy, "disk 7"};
  auto const started = post(path(id, "/activate"), R"({"from":"now"})");

  for (auto const* const answer : {&made, &changed, &stopped, &started}) {
    EXPECT_EQ(answer->status, 202) << answer->body;
    EXPECT_THAT(answer->body, HasSubstr(R"("applied":false)"));
    EXPECT_THAT(answer->body, Not(HasSubstr("disk 7")));
    EXPECT_THAT(answer->body, Not(HasSubstr("skipped")));
  }
  EXPECT_EQ(made.header("Location"), path(made.text("id")));
  EXPECT_EQ(changed.header("ETag"), "\"2\"");
  world.restart();
  EXPECT_EQ(get(path(id)).text("name"), "New");
  EXPECT_EQ(get(path(id)).text("state"), "active");
  EXPECT_EQ(get(path(made.text("id"))).text("name"), "second");
  EXPECT_THAT(world.sim.log().lines("disk 7"), SizeIs(4));
}

TEST_F(StreamsTest, a_deletion_that_its_lane_did_not_take_is_done_and_told_so) {
  auto const id = stream();
  world.lanes.trouble = Error{Fault::busy, "disk 7"};

  auto const gone = world.call("DELETE", path(id), editor);

  EXPECT_EQ(gone.status, 202);
  EXPECT_THAT(gone.body, HasSubstr(R"("applied":false)"));
  EXPECT_EQ(get(path(id)).status, 404);
  EXPECT_EQ(world.call("DELETE", path(id), editor).status, 404);
  world.restart();
  EXPECT_EQ(get(path(id)).status, 404);
}

TEST_F(StreamsTest, a_failing_store_changes_nothing_and_tells_no_details) {
  auto const id = stream();
  world.store.fail_changes(1, {Fault::io, "/var/lib/millrace/state.db: disk"});

  auto const failed = patch(id, R"({"name":"New"})");

  EXPECT_EQ(failed.status, 500);
  EXPECT_THAT(failed.body, Not(HasSubstr("state.db")));
  EXPECT_THAT(world.sim.log().lines("state.db"), SizeIs(1));
  EXPECT_EQ(get(path(id)).text("name"), "Ally");
  EXPECT_THAT(world.lanes.told, SizeIs(1));
}

TEST_F(StreamsTest, a_repeat_with_the_same_key_makes_nothing_new) {
  std::vector<http::Header> const key{{"Idempotency-Key", "k-1"}};
  auto const first = post(all_streams, stream_body(), key);
  auto const repeat = post(all_streams, stream_body(), key);
  world.restart();
  auto const later = post(all_streams, stream_body(), key);
  auto const other_body = post(all_streams, stream_body(ours, "B"), key);
  auto const someone = world.call("POST", all_streams, world.token(Role::editor, {ours}),
                                  stream_body(), {{"Idempotency-Key", "k-1"}});

  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(repeat.status, 201);
  EXPECT_EQ(repeat.text("id"), first.text("id"));
  EXPECT_EQ(later.text("id"), first.text("id"));
  EXPECT_EQ(other_body.status, 422);
  EXPECT_EQ(other_body.text("type"), "urn:millrace:problem:idempotency-key-reused");
  EXPECT_EQ(someone.status, 201);
  EXPECT_NE(someone.text("id"), first.text("id"));
  world.sim.advance(25h);
  EXPECT_NE(post(all_streams, stream_body(), key).text("id"), first.text("id"));
}

TEST_F(StreamsTest, a_key_whose_call_was_refused_can_be_used_again) {
  std::vector<http::Header> const key{{"Idempotency-Key", "k-1"}};
  world.lanes.stopping = true;
  EXPECT_EQ(post(all_streams, stream_body(), key).status, 503);
  world.lanes.stopping = false;

  EXPECT_EQ(post(all_streams, stream_body(), key).status, 201);
  EXPECT_THAT(world.registry->streams(), SizeIs(1));
}

TEST_F(StreamsTest, a_key_whose_stream_was_deleted_makes_no_other) {
  std::vector<http::Header> const key{{"Idempotency-Key", "k-1"}};
  auto const id = post(all_streams, stream_body(), key).text("id");
  ASSERT_EQ(world.call("DELETE", path(id), editor).status, 204);

  EXPECT_EQ(post(all_streams, stream_body(), key).status, 409);
  EXPECT_EQ(post(all_streams, stream_body(), {{"Idempotency-Key", std::string(256, 'x')}}).status,
            400);
}

TEST_F(StreamsTest, changes_at_once_happen_one_after_the_other) {
  auto const id = stream();
  auto const request = [&](std::string body) {
    http::ServerRequest out;
    out.method = "PATCH";
    out.path = out.target = path(id);
    out.headers = {{"Authorization", "Bearer " + editor}, {"Content-Type", "application/json"}};
    out.body = std::move(body);
    return out;
  };
  std::vector<testing::Started<http::ServerResponse>> running;
  for (auto const* const name : {"B", "C", "D"})
    running.push_back(
        world.sim.start(world.api->handle(request(R"({"name":")" + std::string(name) + R"("})"))));
  world.sim.settle();

  for (auto const& one : running) EXPECT_EQ(one.value().status, 200) << one.value().body;
  EXPECT_THAT(world.lanes.told,
              ElementsAre("Ally v1 active", "B v2 active", "C v3 active", "D v4 active"));
}

TEST_F(StreamsTest, attempts_are_found_by_what_one_asks) {
  auto const id = stream();
  auto const event = world.add_event(ours, "grade_change");
  model::Attempt attempt;
  attempt.stream = *StreamId::parse(id);
  attempt.event = event;
  attempt.event_type = "grade_change";
  attempt.at = world.sim.clock().wall();
  attempt.outcome = model::AttemptOutcome::failed;
  attempt.failure = model::FailureClass::timeout;
  world.store.add_attempt(attempt);
  attempt.at += 1s;
  attempt.outcome = model::AttemptOutcome::delivered;
  attempt.failure = model::FailureClass::none;
  world.store.add_attempt(attempt);

  auto const attempts = path(id, "/attempts");
  EXPECT_THAT(get(attempts).all("items", "outcome"), ElementsAre("delivered", "failed"));
  EXPECT_THAT(get(attempts + "?outcome=failed").all("items", "class"), ElementsAre("timeout"));
  EXPECT_THAT(get(attempts + "?event_type=other").all("items", "outcome"), IsEmpty());
  EXPECT_THAT(get(attempts + "?event_id=" + event.text()).all("items", "outcome"), SizeIs(2));
  EXPECT_THAT(get(attempts + "?since=" + iso_ms(attempt.at)).all("items", "outcome"),
              ElementsAre("delivered"));
  auto const page = get(attempts + "?limit=1");
  EXPECT_THAT(get(attempts + "?limit=1&after=" + page.text("next")).all("items", "outcome"),
              ElementsAre("failed"));
  EXPECT_THAT(get(attempts + "?outcome=x&event_id=y&since=z&limit=1001").all("errors", "field"),
              UnorderedElementsAre("?outcome", "?event_id", "?since", "?limit"));
}

TEST_F(StreamsTest, undelivered_events_come_with_their_reason_and_on_demand_whole) {
  auto const id = stream();
  store::StreamDelta delta;
  delta.stream = *StreamId::parse(id);
  store::Undelivered lost;
  lost.event = world.add_event(ours, "grade_change");
  lost.kind = {ours, "grade_change"};
  lost.payload = R"({"metadata":{},"body":{"n":1}})";
  lost.metadata_bytes = 2;
  lost.failure = model::FailureClass::http;
  lost.status = 500;
  lost.reason = "HTTP 500";
  delta.undelivered = {lost};
  ASSERT_TRUE(world.sim.run(world.store.checkpoint({delta})));

  auto const listed = get(path(id, "/undelivered"));
  auto const whole = get(path(id, "/undelivered?include=event"));

  EXPECT_THAT(listed.all("items", "reason"), ElementsAre("HTTP 500"));
  EXPECT_THAT(listed.all("items", "event_id"), ElementsAre(lost.event.text()));
  EXPECT_THAT(listed.body, Not(HasSubstr("\"n\":1")));
  EXPECT_THAT(whole.body, HasSubstr(R"("event":{"metadata":{},"body":{"n":1}})"));
  EXPECT_EQ(get(path(id, "/undelivered?include=event&limit=11")).status, 400);
}

TEST_F(StreamsTest, health_tells_counts_and_the_budget_of_a_day) {
  auto const id = stream();
  auto const minute = unix_ms(world.sim.clock().wall()) / 60'000;
  store::StreamDelta delta;
  delta.stream = *StreamId::parse(id);
  delta.ledger = {
      {minute, 1, 2, 3, 4}, {minute - 1439, 0, 0, 10, 0}, {minute - 1440, 0, 0, 100, 100}};
  ASSERT_TRUE(world.sim.run(world.store.checkpoint({delta})));
  world.dispatcher.state.waiting = 5;
  world.dispatcher.state.oldest_waiting = world.sim.clock().wall() - 90s;
  world.dispatcher.state.counters.delivered = 42;
  world.dispatcher.state.last_failure_reason = "HTTP 500";

  auto const health = get(path(id, "/health"));

  EXPECT_EQ(health.status, 200);
  EXPECT_THAT(health.body, HasSubstr(R"("waiting":5,)"));
  EXPECT_THAT(health.body, HasSubstr(R"("oldest_waiting_seconds":90.000)"));
  EXPECT_THAT(health.body, HasSubstr(R"("delivered":42)"));
  EXPECT_THAT(
      health.body,
      HasSubstr(R"("timeouts":{"used":13,"limit":9500},"errors":{"used":4,"limit":28000})"));
  EXPECT_THAT(health.body, HasSubstr(R"("last_success_at":null)"));
}

TEST_F(StreamsTest, a_test_sends_a_made_event_and_answers_its_outcome) {
  auto const id = stream();
  world.dispatcher.outcome.status = 500;
  world.dispatcher.outcome.failure = model::FailureClass::http;
  world.dispatcher.outcome.reason = "HTTP 500";

  auto const tested = post(path(id, "/test"));

  EXPECT_EQ(tested.status, 200) << tested.body;
  EXPECT_EQ(tested.text("outcome"), "failed");
  EXPECT_EQ(tested.text("class"), "http");
  EXPECT_EQ(tested.text("event_type"), "grade_change");
  ASSERT_THAT(world.dispatcher.tested, SizeIs(1));
  EXPECT_THAT(world.dispatcher.tested.front(), HasSubstr(R"("event_name":"grade_change")"));
  EXPECT_THAT(world.dispatcher.tested.front(), HasSubstr(R"("test":true)"));
  EXPECT_THAT(world.dispatcher.tested.front(), HasSubstr(ours));
  EXPECT_EQ(tested.text("run"), "test");
  EXPECT_THAT(world.dispatcher.tested_bodies,
              ElementsAre(world.catalog.find("grade_change")->body));
}

TEST_F(StreamsTest, a_test_sends_the_example_of_any_type_of_the_catalogue) {
  auto const id = stream();

  EXPECT_EQ(post(path(id, "/test"), R"({"event_type":"course_created"})").text("event_type"),
            "course_created");
  auto const unknown = post(path(id, "/test"), R"({"event_type":"course_craeted"})");

  EXPECT_THAT(world.dispatcher.tested_bodies,
              ElementsAre(world.catalog.find("course_created")->body));
  EXPECT_EQ(unknown.status, 400);
  EXPECT_THAT(unknown.all("errors", "field"), ElementsAre("/event_type"));
  EXPECT_THAT(unknown.body, HasSubstr("did you mean course_created?"));
}

TEST_F(StreamsTest, a_test_takes_a_type_and_a_body) {
  auto const id = stream();

  EXPECT_EQ(
      post(path(id, "/test"), R"({"event_type":"submission_created","body":{"n":[1]}})").status,
      200);
  EXPECT_EQ(post(path(id, "/test"), R"({"event_type":"not_selected"})").status, 400);
  EXPECT_EQ(post(path(id, "/test"), R"({"body":7})").status, 400);

  EXPECT_THAT(world.dispatcher.tested_bodies, ElementsAre(R"({"n":[1]})"));
}

}  // namespace
}  // namespace millrace::api
