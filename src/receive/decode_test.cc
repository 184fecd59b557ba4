#include "receive/decode.h"

#include <gtest/gtest.h>

namespace millrace::receive {
namespace {

// Shared, as the receiver's is: nothing that was answered may change with the next text.
struct DecodeTest : testing::Test {
  json::Parser parser;
};

TEST_F(DecodeTest, claims_give_the_event_back_byte_for_byte) {
  std::string const event =
      R"({"metadata":{"event_name":"grade_change",  "event_time":"2026-11-21T19:00:00.123Z","n" : 1.50},"body":{ "x":"\u00e9 \/ 世" }})";
  auto claims = event;
  claims.pop_back();
  claims +=
      R"(,"iss":"https://live-events.canvas.instructure.com","iat":1795287600,"jti":"0192f0c1-0000-7000-8000-000000000001"})";

  auto const decoded = decode_claims(parser, claims);

  ASSERT_TRUE(decoded) << decoded.error().what;
  EXPECT_EQ(decoded->event, event);
  EXPECT_EQ(decoded->name, "grade_change");
  EXPECT_EQ(decoded->event_time, "2026-11-21T19:00:00.123Z");
  EXPECT_EQ(decoded->issuer, "https://live-events.canvas.instructure.com");
  EXPECT_EQ(decoded->id, "0192f0c1-0000-7000-8000-000000000001");
  EXPECT_EQ(iso_s(*decoded->issued), "2026-11-21T19:00:00Z");
}

TEST_F(DecodeTest, registered_claims_are_never_part_of_the_event) {
  auto const decoded = decode_claims(
      parser, R"({"iss":"i","sub":"s","aud":["a"],"exp":1.5,"nbf":0,"body":{},"iat":1,"jti":"j"})");

  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->event, R"({"body":{}})");
  EXPECT_EQ(unix_ms(*decoded->expires), 1500);
  EXPECT_EQ(unix_ms(*decoded->not_before), 0);
}

TEST_F(DecodeTest, wrong_claims_are_refused) {
  for (auto const* wrong :
       {"", "[]", "{", R"({"iss":"i"})", R"({"body":{},"iat":"soon"})", R"({"body":{},"iat":1e99})",
        R"({"body":{},"jti":7})", R"({"body":{},"jti":""})", R"({"body":{},"body":{}})",
        R"({"body":{}} x)"})
    EXPECT_FALSE(decode_claims(parser, wrong)) << wrong;
}

TEST_F(DecodeTest, a_caliper_envelope_has_the_time_of_its_first_event) {
  auto const decoded = decode_event(
      parser,
      R"({"sensor":"s","sendTime":"t","dataVersion":"v","data":[{"type":"GradeEvent","eventTime":"2026-11-21T19:00:00.000Z"}]})");

  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->name, "");
  EXPECT_EQ(decoded->event_time, "2026-11-21T19:00:00.000Z");
}

TEST_F(DecodeTest, nothing_of_an_event_is_that_of_the_next) {
  auto const first = decode_claims(
      parser, R"({"jti":"one","metadata":{"event_name":"first\u0020one"},"body":{"a":"\u0031"}})");
  auto const second = decode_claims(
      parser, R"({"jti":"two","metadata":{"event_name":"second\u0020"},"body":{"a":"\u0032"}})");

  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->name, "first one");
  EXPECT_EQ(first->id, "one");
  EXPECT_EQ(first->event, R"({"metadata":{"event_name":"first\u0020one"},"body":{"a":"\u0031"}})");
  EXPECT_EQ(second->name, "second ");
}

TEST_F(DecodeTest, an_unsigned_event_stays_as_it_is) {
  std::string const text =
      "{ \"metadata\" : {\"event_name\":\"x\"},\n \"body\":{}, \"iss\":\"kept\" }";

  auto const decoded = decode_event(parser, text);

  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->event, text);
  EXPECT_EQ(decoded->name, "x");
  EXPECT_FALSE(decoded->issuer);
}

}  // namespace
}  // namespace millrace::receive
