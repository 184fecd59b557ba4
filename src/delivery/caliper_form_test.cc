// Streams of the format Caliper: what they get, what they do not, and that all of it is counted.
#include "delivery/caliper_form.h"

#include <boost/json/parse.hpp>

#include "base/encoding.h"
#include "crypto/jwt.h"
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CaliperFormTest : public DispatcherTest {
 protected:
  CaliperFormTest() {
    caliper.renderer = &renderer_;
    caliper.validator = &validator_;
  }
  model::DataStream caliper_stream(std::uint64_t n, std::vector<std::string> types = {"*"}) {
    auto one = stream(n, std::move(types));
    one.format = model::Format::caliper;
    return one;
  }
  // One batch with these events, as the catalogue shows them.
  void append_examples(std::vector<std::string> const& types) {
    model::EventBlock block;
    for (auto const& type : types) {
      auto const* const event = catalog_.find(type);
      block.add("root-1", type, event->metadata, event->body);
    }
    static_cast<void>(run(memory.append(std::move(block), std::nullopt)));
  }
  void append_one(std::string const& type, std::string_view metadata, std::string_view body) {
    model::EventBlock block;
    block.add("root-1", type, metadata, body);
    static_cast<void>(run(memory.append(std::move(block), std::nullopt)));
  }

  model::Catalog const catalog_ = model::Catalog::load();
  formats::CaliperRenderer const renderer_ = std::move(*formats::CaliperRenderer::make(catalog_));
  formats::CaliperValidator const validator_ =
      std::move(*formats::CaliperValidator::load("canvas"));
  formats::CaliperValidator const strict_ = std::move(*formats::CaliperValidator::load(""));
};

// By the standard's rules nobody navigates to a thing of no kind; by those of the profile canvas one does.
constexpr std::string_view to_no_kind =
    R"({"event_name":"asset_accessed","event_time":"2026-10-20T17:45:15.775Z","hostname":"c.example","user_id":"7"})";
constexpr std::string_view no_kind = R"({"asset_id":"5","asset_type":"novelty"})";

TEST_F(CaliperFormTest, a_test_of_any_event_says_so_and_is_valid_still) {
  caliper.check = CaliperCheck::refuse;
  auto signing = caliper_stream(2);
  signing.delivery.sign_payload = true;
  open({caliper_stream(1), signing});

  for (auto const& event : catalog_.events()) {
    if (event.caliper.empty()) continue;
    std::string const payload = event.example();
    for (std::uint64_t const n : {1U, 2U}) {
      auto const outcome = run(dispatcher->test(id(n), {"root-1", event.name}, payload,
                                                static_cast<std::uint32_t>(event.metadata.size())));
      ASSERT_TRUE(outcome->delivered) << event.name << ": " << outcome->reason;
      auto body = endpoint(n)->got.back().body;
      if (n == 2)
        body = *unbase64url(body.substr(body.find('.') + 1, body.rfind('.') - body.find('.') - 1));
      auto const sent = boost::json::parse(body);
      auto const& extensions = sent.at("data").at(0).at("extensions");
      EXPECT_EQ(extensions.at("test"), true) << event.name;
      EXPECT_TRUE(extensions.at("com.instructure.canvas").is_object()) << event.name;
    }
  }
  EXPECT_EQ(memory.tried().front().run, model::Run::test);
  append_examples({"grade_change"});
  sim.advance(1s);
  EXPECT_THAT(endpoint(1)->got.back().body, ::testing::Not(HasSubstr(R"("test":true)")));
}

TEST_F(CaliperFormTest, a_stream_gets_envelopes) {
  open({caliper_stream(1, {"grade_change"})});

  append_examples({"grade_change"});
  sim.advance(1s);

  ASSERT_THAT(endpoint(1)->got, SizeIs(1));
  auto const& got = endpoint(1)->got[0];
  EXPECT_EQ(got.content_type, "application/json");
  auto const envelope = boost::json::parse(got.body);
  EXPECT_EQ(envelope.at("data").at(0).at("type"), "GradeEvent");
  EXPECT_THAT(got.body, HasSubstr("\"id\":\"urn:uuid:" + got.event.text() + "\""));
  EXPECT_THAT(got.body, HasSubstr("\"sendTime\":\"" + iso_ms(got.event.uuid.time()) + "\""));
}

TEST_F(CaliperFormTest, a_signed_stream_gets_the_envelope_as_claims) {
  auto plain = stream(1), wrapped = caliper_stream(2);
  plain.delivery.sign_payload = wrapped.delivery.sign_payload = true;
  open({plain, wrapped});

  append_examples({"grade_change"});
  sim.advance(1s);

  ASSERT_THAT(endpoint(2)->got, SizeIs(1));
  auto const published = *crypto::parse_jwks(keys.get()->jwks(sim.clock().wall()));
  auto const verified = crypto::verify_jwt(endpoint(2)->got[0].body, published);
  ASSERT_TRUE(verified) << verified.error().what;
  auto const claims = boost::json::parse(verified->claims).as_object();
  for (auto const* const key : {"sensor", "sendTime", "dataVersion", "data", "iss", "iat", "jti"})
    EXPECT_TRUE(claims.contains(key)) << key;
  EXPECT_THAT(verified->claims, HasSubstr("\"jti\":\"" + endpoint(2)->got[0].event.text() + "\""));
  // One event in two forms is two signatures.
  ASSERT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_NE(endpoint(1)->got[0].body, endpoint(2)->got[0].body);
}

TEST_F(CaliperFormTest, what_has_no_form_is_passed_over_and_counted) {
  open({caliper_stream(1)});

  append_examples(
      {"module_created", "grade_change", "module_updated", "logged_in", "course_progress"});
  append_examples({"module_created"});
  append(3, "never_heard_of");
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(2));
  auto const now = status(1);
  EXPECT_EQ(now.without_form, 7);
  EXPECT_EQ(now.counters.skipped, 7);
  EXPECT_EQ(now.counters.delivered, 2);
  EXPECT_EQ(now.waiting, 0);
}

TEST_F(CaliperFormTest, the_counts_hold_across_crashes) {
  settings.window = 2;
  open({caliper_stream(1)});
  endpoint(1)->takes = 30ms;
  std::map<EventId, int> tries;
  for (int life = 0; life < 12; ++life) {
    for (int i = 0; i < 5; ++i)
      append_examples({"grade_change", "module_created", "logged_in", "module_updated"});
    sim.advance(Duration(23ms) * (life + 1));
    auto const old = endpoint(1);
    crash();
    for (auto const& got : old->got) ++tries[got.event];
    endpoint(1)->got.clear();
    open({caliper_stream(1)});
  }

  sim.advance(1min);

  for (auto const& got : endpoint(1)->got) ++tries[got.event];
  EXPECT_THAT(tries, SizeIs(12 * 10));
  auto const now = status(1);
  EXPECT_EQ(now.counters.matched, 12 * 20);
  EXPECT_EQ(now.counters.delivered, 12 * 10);
  EXPECT_EQ(now.counters.skipped, 12 * 10);
  EXPECT_EQ(now.waiting, 0);
  EXPECT_EQ(now.counters.lost, 0);
}

TEST_F(CaliperFormTest, a_slow_endpoint_does_not_hold_what_has_no_form) {
  settings.window = 1;
  open({caliper_stream(1)});
  endpoint(1)->takes = 10s;
  append_examples({"grade_change"});
  for (int i = 0; i < 30; ++i) append(100, "module_created");

  sim.advance(2min);

  EXPECT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_EQ(status(1).counters.skipped, 3000);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(CaliperFormTest, an_event_that_lacks_its_id_is_passed_over_and_counted) {
  open({caliper_stream(1)});

  append_one("grade_change", R"({"event_name":"grade_change"})", "{}");
  append_one("grade_change", R"({"event_name":"grade_change"})", "{}");
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, IsEmpty());
  EXPECT_EQ(status(1).without_form, 2);
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_THAT(sim.log().lines("lack what the stream"), SizeIs(1));
}

TEST_F(CaliperFormTest, a_stream_that_becomes_caliper_renders_from_its_next_event_on) {
  open({stream(1)});
  append_examples({"grade_change", "module_created"});
  sim.advance(1s);

  ASSERT_TRUE(run(dispatcher->put(caliper_stream(1))));
  append_examples({"grade_change", "module_created"});
  sim.advance(1s);

  ASSERT_THAT(endpoint(1)->got, SizeIs(3));
  EXPECT_THAT(endpoint(1)->got[1].body, StartsWith("{\"metadata\":"));
  EXPECT_THAT(endpoint(1)->got[2].body, StartsWith("{\"sensor\":"));
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(CaliperFormTest, a_warning_check_sends_and_counts) {
  caliper.validator = &strict_;
  caliper.check = CaliperCheck::warn;
  open({caliper_stream(1)});

  append_examples({"grade_change"});
  append_one("asset_accessed", to_no_kind, no_kind);
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(2));
  EXPECT_EQ(status(1).format_findings, 1);
  EXPECT_EQ(status(1).format_refused, 0);
}

TEST_F(CaliperFormTest, a_refusing_check_keeps_it_as_undelivered_with_the_reason) {
  caliper.validator = &strict_;
  caliper.check = CaliperCheck::refuse;
  auto signing = caliper_stream(2);
  signing.delivery.sign_payload = true;
  open({caliper_stream(1), signing});

  append_examples({"grade_change"});
  append_one("asset_accessed", to_no_kind, no_kind);
  sim.advance(1s);

  for (std::uint64_t const n : {1U, 2U}) {
    EXPECT_THAT(endpoint(n)->got, SizeIs(1)) << n;
    EXPECT_EQ(status(n).format_refused, 1);
    EXPECT_EQ(status(n).format_findings, 1);
    EXPECT_EQ(status(n).waiting, 0);
    auto const kept = undelivered(n);
    ASSERT_THAT(kept, SizeIs(1));
    EXPECT_EQ(kept[0].kind.type, "asset_accessed");
    EXPECT_EQ(kept[0].failure, model::FailureClass::own_side);
    EXPECT_THAT(kept[0].reason, HasSubstr("/data/0/object/type"));
    // It says nothing of the endpoint, so it takes nothing of its budget.
    EXPECT_EQ(ledger(n).undelivered_other, 0);
  }
}

TEST_F(CaliperFormTest, a_test_that_cannot_be_rendered_says_why) {
  open({caliper_stream(1)});

  auto const outcome = run(dispatcher->test(id(1), {"root-1", "module_created"},
                                            R"({"metadata":{"a":1},"body":{}})", 7));

  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->delivered);
  EXPECT_THAT(outcome->reason, HasSubstr("no Caliper form"));
  EXPECT_THAT(endpoint(1)->got, IsEmpty());
}

}  // namespace
}  // namespace millrace::delivery
