#include "receive/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/reader.h"
#include "receive/forgetful_files.h"
#include "receive/per_event_store.h"
#include "receive/rolling_store.h"
#include "receive/test_keys.h"
#include "testing/sim.h"

namespace millrace::receive {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto issuer = "https://live-events.canvas.instructure.com";
constexpr auto event =
    R"({"metadata":{"event_name":"grade_change","event_time":"2026-11-20T08:00:00.123Z"},"body":{ "score" : 1.50 }})";
constexpr auto event_id = "0192f0c1-8000-7000-8000-000000000001";

std::string claims(std::string const& id = event_id, std::string const& iss = issuer,
                   std::string const& more = "") {
  std::string text = event;
  text.pop_back();
  // 2026-11-21T19:00:00Z
  return text + fmt::format(R"(,"iss":"{}","iat":1795287600,"jti":"{}"{}}})", iss, id, more);
}

std::string jwt(std::string const& text = claims(), std::string const& kid = "one") {
  return crypto::sign_jwt(text, kid, test_key());
}

http::ServerRequest post(std::string body, std::vector<http::Header> headers = {}) {
  http::ServerRequest request;
  request.method = "POST";
  request.target = request.path = "/events";
  request.headers = std::move(headers);
  request.body = std::move(body);
  return request;
}

// The simulated clock's start is not the point here: claims are dated by hand, so that the receiver's own time is near.
class NearClock final : public io::Clock {
 public:
  explicit NearClock(io::Clock& inner) : inner_(inner), began_(inner.now()) {}
  SteadyTime now() const override { return inner_.now(); }
  WallTime wall() const override {
    return *parse_time("2026-11-21T19:00:05Z") + (inner_.now() - began_);
  }
  io::Task<void> sleep_until(SteadyTime at) override { return inner_.sleep_until(at); }

 private:
  io::Clock& inner_;
  SteadyTime began_;
};

class ReceiverTest : public ::testing::Test {
 protected:
  void begin(ReceiverSettings settings = {}) {
    auto opened = open_per_event(files, io::inline_worker(), "/store");
    ASSERT_TRUE(opened);
    store = std::move(*opened);
    receiver.emplace(ReceiverParts{*store, &keys, clock, sim.log()}, std::move(settings));
    ASSERT_TRUE(sim.run(keys.refresh()));
  }
  int status(http::ServerRequest request) { return answer(std::move(request)).status; }
  http::ServerResponse answer(http::ServerRequest request) {
    return sim.run(receiver->handle(std::move(request)));
  }
  std::map<std::string, std::string> stored() const { return files.under("/store"); }

  testing::Sim sim;
  NearClock clock{sim.clock()};
  ForgetfulFiles files;
  ScriptedJwks served{sim.clock()};
  JwksSource keys{sim.executor(), sim.clock(), sim.log(), served.fetch()};
  std::unique_ptr<EventStore> store;
  std::optional<Receiver> receiver;
};

TEST_F(ReceiverTest, a_signed_event_is_stored_decoded_byte_for_byte) {
  begin();

  auto const answered = answer(post(jwt()));

  EXPECT_EQ(answered.status, 200) << answered.body;
  EXPECT_THAT(stored(), ElementsAre(Pair(std::string("/store/2026/11/21/19/") + event_id + ".json",
                                         std::string(event) + "\n")));
}

TEST_F(ReceiverTest, quotes_and_white_space_around_a_jwt_are_taken_off) {
  begin();

  EXPECT_EQ(status(post("\"" + jwt() + "\"\r\n")), 200);
  EXPECT_EQ(status(post(" " + jwt(claims("0192f0c1-8000-7000-8000-000000000002")) + "\n",
                        {{"Content-Type", "application/jwt"}})),
            200);

  EXPECT_THAT(stored(), SizeIs(2));
}

TEST_F(ReceiverTest, what_is_answered_survives_a_crash) {
  begin();
  ASSERT_EQ(status(post(jwt())), 200);

  files.crash(ForgetfulFiles::Crash::nothing);

  EXPECT_THAT(stored(), SizeIs(1));
}

TEST_F(ReceiverTest, a_repeat_is_answered_and_not_stored_again_also_after_a_restart) {
  begin();
  ASSERT_EQ(status(post(jwt())), 200);
  EXPECT_EQ(answer(post(jwt())).body, "repeat\n");

  begin();

  EXPECT_EQ(answer(post(jwt())).body, "repeat\n");
  EXPECT_EQ(store->counts().stored, 0U);
  EXPECT_EQ(store->counts().repeats, 1U);
  EXPECT_THAT(stored(), SizeIs(1));
}

TEST_F(ReceiverTest, every_changed_character_is_refused) {
  begin();
  auto const good = jwt();
  for (std::size_t at = 0; at < good.size(); at += 7) {
    auto bad = good;
    bad[at] = bad[at] == 'A' ? 'B' : 'A';
    if (bad[at] == good[at]) continue;
    // The last character of a Base64 part may carry bits that count for nothing: it must be refused all the same.
    EXPECT_THAT(status(post(bad)), ::testing::AnyOf(400, 401)) << at;
  }
  EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(ReceiverTest, another_key_under_a_known_kid_is_refused_with_the_reason) {
  begin();
  auto const forged = crypto::sign_jwt(claims(), "one", crypto::SigningKey::generate());

  auto const answered = answer(post(forged));

  EXPECT_EQ(answered.status, 401);
  EXPECT_THAT(answered.body, HasSubstr("signature"));
  EXPECT_THAT(sim.log().lines("delivery refused"), SizeIs(1));
}

TEST_F(ReceiverTest, an_unknown_kid_fetches_the_keys_once) {
  begin();
  sim.advance(31s);
  served.text = jwks_of({"one", "two"});

  EXPECT_EQ(status(post(jwt(claims(), "two"))), 200);
  EXPECT_EQ(served.fetches, 2);
  auto const unknown = answer(post(jwt(claims("x"), "three")));

  EXPECT_EQ(unknown.status, 401);
  EXPECT_THAT(unknown.body, HasSubstr("three"));
  EXPECT_EQ(served.fetches, 2);
}

TEST_F(ReceiverTest, an_unknown_kid_while_the_jwks_is_away_is_for_later) {
  begin();
  sim.advance(31s);
  served.text = fail(Fault::unreachable, "nobody there");

  auto const answered = answer(post(jwt(claims(), "two")));

  EXPECT_EQ(answered.status, 503);
  EXPECT_EQ(http::find_header(answered.headers, "retry-after"), "10");
  EXPECT_EQ(status(post(jwt())), 200) << "known keys go on";
}

TEST_F(ReceiverTest, another_issuer_is_refused_unless_it_is_the_expected_one) {
  begin();
  EXPECT_EQ(status(post(jwt(claims(event_id, "https://evil.example")))), 401);
  EXPECT_THAT(stored(), IsEmpty());

  begin({.issuer = "https://evil.example"});

  EXPECT_EQ(status(post(jwt(claims(event_id, "https://evil.example")))), 200);
}

TEST_F(ReceiverTest, an_expired_jwt_is_refused) {
  begin();

  EXPECT_EQ(status(post(jwt(claims(event_id, issuer, R"(,"exp":1795287000)")))), 401);
  EXPECT_EQ(status(post(jwt(claims(event_id, issuer, R"(,"nbf":1795287600,"exp":1795288000)")))),
            200);
}

TEST_F(ReceiverTest, unsigned_events_need_leave) {
  begin();
  auto const refused = answer(post(event));
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.body, HasSubstr("--allow-unsigned"));

  begin({.issuer = issuer, .allow_unsigned = true});
  EXPECT_EQ(status(post(event, {{"Millrace-Event-Id", event_id}})), 200);
  EXPECT_EQ(status(post(event, {{"millrace-event-id", event_id}})), 200);
  EXPECT_THAT(stored(), ElementsAre(Pair(HasSubstr(event_id), std::string(event) + "\n")));
  EXPECT_EQ(status(post(jwt(claims("another")))), 200) << "signed ones go on";
  EXPECT_EQ(status(post("eyJhbGciOiJub25lIn0."
                        "e30"
                        ".")),
            400)
      << "alg none is no signature";
}

TEST_F(ReceiverTest, an_event_without_an_id_is_known_by_its_content) {
  begin({.issuer = issuer, .allow_unsigned = true});

  EXPECT_EQ(answer(post(event)).body, "stored\n");
  EXPECT_EQ(answer(post(event)).body, "repeat\n");
  sim.advance(40min);
  EXPECT_EQ(answer(post(event)).body, "repeat\n");
  EXPECT_EQ(answer(post(R"({"metadata":{},"body":{}})")).body, "stored\n");
}

TEST_F(ReceiverTest, an_id_cannot_name_another_file) {
  begin();

  EXPECT_EQ(status(post(jwt(claims("../../../../etc/passwd")))), 200);

  EXPECT_THAT(stored(),
              ElementsAre(Pair("/store/2026/11/21/19/%2E.%2F..%2F..%2F..%2Fetc%2Fpasswd.json",
                               std::string(event) + "\n")));
}

TEST_F(ReceiverTest, what_is_no_event_is_refused) {
  begin({.issuer = issuer, .allow_unsigned = true});

  EXPECT_EQ(status(post("")), 400);
  EXPECT_EQ(status(post(" \r\n")), 400);
  EXPECT_EQ(status(post("hello")), 400);
  EXPECT_EQ(status(post("{")), 400);
  EXPECT_EQ(status(post("{}")), 400);
  EXPECT_EQ(status(post(jwt(R"({"iss":"https://live-events.canvas.instructure.com"})"))), 400);
  EXPECT_EQ(status(post(jwt(), {{"Content-Encoding", "gzip"}})), 415);
  auto get = post("");
  get.method = "GET";
  auto const refused = answer(get);
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(http::find_header(refused.headers, "allow"), "POST");
  EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(ReceiverTest, a_disk_that_fails_is_a_503_and_nothing_is_taken_for_stored) {
  begin();
  for (std::uint64_t at = 0; at < 40; ++at) {
    ForgetfulFiles fresh;
    auto opened = open_per_event(fresh, io::inline_worker(), "/store");
    Receiver careful({**opened, &keys, clock, sim.log()}, {});
    fresh.fail_at(at, Fault::busy);
    auto const first = sim.run(careful.handle(post(jwt()))).status;
    bool const failed = fresh.failed();
    EXPECT_EQ(first, failed ? 503 : 200) << at;
    if (!failed) {
      EXPECT_GT(at, 5U);
      return;
    }
    EXPECT_EQ(sim.run(careful.handle(post(jwt()))).status, 200) << at;
    fresh.crash(ForgetfulFiles::Crash::nothing);
    EXPECT_THAT(fresh.under("/store"),
                ElementsAre(Pair(HasSubstr(event_id), std::string(event) + "\n")))
        << at;
  }
  FAIL() << "the story has no end";
}

TEST_F(ReceiverTest, an_envelope_keeps_what_transport_added) {
  begin({.issuer = issuer, .with_envelope = true});

  ASSERT_EQ(status(post(jwt(), {{"User-Agent", "Millrace/0.1"},
                                {"Millrace-Attempt", "2"},
                                {"Authorization", "Bearer secret"}})),
            200);

  ASSERT_THAT(stored(), SizeIs(1));
  auto const text = stored().begin()->second;
  EXPECT_THAT(text,
              AllOf(HasSubstr(std::string(R"({"event":)") + event + ","),
                    HasSubstr(R"("received_at":"2026-11-21T19:00:05.000Z")"),
                    HasSubstr(R"("headers":{"user-agent":"Millrace/0.1","millrace-attempt":"2"})"),
                    Not(HasSubstr("secret")), HasSubstr(R"("iat":1795287600)"),
                    HasSubstr(R"("kid":"one")")));
  EXPECT_TRUE(json::parse(text)) << text;
}

TEST_F(ReceiverTest, health_waits_for_the_keys) {
  auto opened = open_per_event(files, io::inline_worker(), "/store");
  store = std::move(*opened);
  receiver.emplace(ReceiverParts{*store, &keys, clock, sim.log()}, ReceiverSettings{});
  auto get = post("");
  get.method = "GET";
  get.path = "/healthz";

  EXPECT_EQ(status(get), 503);
  ASSERT_TRUE(sim.run(keys.refresh()));

  EXPECT_EQ(status(get), 200);
}

// A replay is stored once more, in both layouts, and only if whoever signed the event says that it is one.
class ReceiverReplayTest : public ReceiverTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    begin();
    if (GetParam()) {
      auto opened = open_rolling({files, sim.clock(), sim.random(), sim.log(), [](Error const&) {}},
                                 {.folders = {"/rolled", "/rolled/.spool"}}, io::inline_worker(),
                                 io::inline_worker());
      ASSERT_TRUE(opened);
      store = std::move(*opened);
    }
    receiver.emplace(ReceiverParts{*store, &keys, clock, sim.log()},
                     ReceiverSettings{.allow_unsigned = true});
  }
  static std::string of_replay(std::string_view id) {
    return jwt(claims(event_id, issuer, fmt::format(R"(,"replay":"{}")", id)));
  }
};
INSTANTIATE_TEST_SUITE_P(Layouts, ReceiverReplayTest, ::testing::Bool(), [](auto const& tested) {
  return std::string(tested.param ? "rolling" : "per_event");
});

TEST_P(ReceiverReplayTest, a_claim_marks_a_replay_of_a_signed_event) {
  EXPECT_EQ(answer(post(jwt())).body, "stored\n");
  EXPECT_EQ(answer(post(of_replay("r1"))).body, "stored\n");
  EXPECT_EQ(answer(post(of_replay("r1"))).body, "repeat\n");
  EXPECT_EQ(answer(post(of_replay("../r2"))).body, "stored\n");
  EXPECT_EQ(answer(post(jwt())).body, "repeat\n");
}

TEST_P(ReceiverReplayTest, a_header_marks_none_of_a_signed_event) {
  EXPECT_EQ(answer(post(jwt())).body, "stored\n");
  EXPECT_EQ(answer(post(jwt(), {{"Millrace-Replay-Id", "r1"}})).body, "repeat\n");
}

TEST_P(ReceiverReplayTest, a_header_marks_a_replay_of_an_unsigned_event) {
  auto const plain = [](std::string_view id, std::string_view replay) {
    std::vector<http::Header> headers{{"Millrace-Event-Id", std::string(id)}};
    if (!replay.empty()) headers.push_back({"Millrace-Replay-Id", std::string(replay)});
    return post(std::string(event), headers);
  };

  EXPECT_EQ(answer(plain("a", "")).body, "stored\n");
  EXPECT_EQ(answer(plain("a", "r1")).body, "stored\n");
  EXPECT_EQ(answer(plain("a", "r1")).body, "repeat\n");
  EXPECT_EQ(answer(plain("a~replay-r1", "")).body, "stored\n");
  EXPECT_EQ(answer(plain("a.replay-r1", "")).body, "stored\n");
}

TEST_F(ReceiverTest, a_replay_has_a_file_beside_that_of_its_event) {
  begin({.issuer = issuer, .allow_unsigned = true});

  ASSERT_EQ(status(post(std::string(event), {{"Millrace-Event-Id", std::string(event_id)},
                                             {"Millrace-Replay-Id", "r1"}})),
            200);

  ASSERT_THAT(stored(), SizeIs(1));
  EXPECT_THAT(stored().begin()->first,
              ::testing::EndsWith(std::string(event_id) + "~replay-r1.json"));
}

}  // namespace
}  // namespace millrace::receive
