#include "model/attempt.h"

#include <gtest/gtest.h>

#include "json/strict.h"

namespace millrace::model {
namespace {

using namespace std::chrono_literals;

Attempt failed() {
  Attempt attempt;
  attempt.event = *EventId::parse("0192f0c1-0000-7000-8000-000000000001");
  attempt.event_type = "grade_change";
  attempt.run = Run::redelivery;
  attempt.number = 2;
  attempt.resent = true;
  attempt.at = parse_time("2026-11-21T19:05:12.123Z").value();
  attempt.outcome = AttemptOutcome::waiting;
  attempt.failure = FailureClass::http;
  attempt.status = 503;
  attempt.took = 31'250us;
  attempt.timing = {
      .dns = 1ms, .connect = 2ms, .tls = 3500us, .answer = 24ms, .first_byte = 20ms, .body = 500us};
  attempt.address = "203.0.113.7:443";
  attempt.http = HttpVersion::http2;
  attempt.tls_version = "TLSv1.3";
  attempt.certificate = std::make_shared<PeerCertificate const>(
      PeerCertificate{"hooks.example.edu", "CN=R11", "2027-02-01", "ab12"});
  attempt.reason = "answered 503";
  attempt.response_headers = "Server: nginx\nSet-Cookie: a\nSet-Cookie: b: c\nodd line\n";
  attempt.response_body = "<h1>\xFF\"busy\"</h1>";
  return attempt;
}

TEST(Attempt, is_shown_with_everything_known_about_it) {
  EXPECT_EQ(
      to_json(failed()),
      R"({"event_id":"0192f0c1-0000-7000-8000-000000000001","event_type":"grade_change","run":"redelivery","kind":"try","attempt":2,)"
      R"("resent":true,"reused":false,"at":"2026-11-21T19:05:12.123Z","outcome":"waiting","class":"http","status":503,"duration_ms":31.25,)"
      R"("address":"203.0.113.7:443","http_version":"2","tls_version":"TLSv1.3","certificate":{"subject":"hooks.example.edu",)"
      R"("issuer":"CN=R11","valid_to":"2027-02-01","sha256":"ab12"},"reason":"answered 503","timing":{"dns_ms":1,"connect_ms":2,)"
      R"("tls_ms":3.5,"first_byte_ms":20,"answer_ms":24,"body_ms":0.5},)"
      R"("response":{"headers":{"Server":"nginx","Set-Cookie":"a, b: c"},"body":"<h1>)"
      "\xEF\xBF\xBD"
      R"(\"busy\"</h1>"}})");
}

TEST(Attempt, leaves_null_where_nothing_is_known) {
  auto const text = to_json(Attempt{});

  json::Parser parser;
  auto const members = parser.members(text);
  ASSERT_TRUE(members);
  for (auto const& member : *members)
    if (member.key == "class" || member.key == "status" || member.key == "address" ||
        member.key == "reason" || member.key == "http_version" || member.key == "tls_version" ||
        member.key == "certificate")
      EXPECT_EQ(member.value, "null") << member.key;
}

TEST(Attempt, is_valid_json_whatever_the_endpoint_sent) {
  auto attempt = failed();
  for (int c = 0; c < 256; ++c)
    attempt.response_body += static_cast<char>(c), attempt.response_headers += static_cast<char>(c);

  json::Parser parser;
  EXPECT_TRUE(parser.validate(to_json(attempt)));
}

TEST(Names, read_back) {
  using enum FailureClass;
  for (auto const failure : {timeout, http, tls, connect, dns, protocol, sqs, own_side})
    EXPECT_EQ(parse_failure_class(name_of(failure)), failure);
  EXPECT_EQ(parse_failure_class(""), std::nullopt);
  for (auto const outcome :
       {AttemptOutcome::delivered, AttemptOutcome::failed, AttemptOutcome::waiting})
    EXPECT_EQ(parse_attempt_outcome(name_of(outcome)), outcome);
  EXPECT_EQ(name_of(HttpVersion::none), "");
  EXPECT_EQ(name_of(HttpVersion::http1), "1.1");
  EXPECT_EQ(name_of(HttpVersion::http2), "2");
  EXPECT_EQ(name_of(TryKind::attempt), "try");
  EXPECT_EQ(name_of(TryKind::probe), "probe");
}

}  // namespace
}  // namespace millrace::model
