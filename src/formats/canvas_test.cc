#include "formats/canvas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/strict.h"

namespace millrace::formats {
namespace {

EventId const event = *EventId::parse("0192f0c1-0000-7000-8000-000000000001");
WallTime const accepted = parse_time("2026-11-21T19:05:12.999Z").value();

TEST(Claims, add_three_members_and_keep_every_byte) {
  constexpr std::string_view payload =
      "{\"metadata\":{\"a\" : 1.50,\"b\":\"\\u00e9}\"},\"body\":{ \"c\":[ ] }}";

  auto const text = claims(payload, "https://live-events.canvas.instructure.com", accepted, event);

  EXPECT_EQ(
      text,
      std::string(payload.substr(0, payload.size() - 1)) +
          R"(,"iss":"https://live-events.canvas.instructure.com","iat":1795287912,"jti":"0192f0c1-0000-7000-8000-000000000001"})");
}

TEST(Claims, hold_the_values_of_the_stored_event) {
  model::EventBlock block;
  block.add("a", "x", "{\"event_name\":\t\"x\"}", "{\"n\":123456789012345678901234567890}");

  auto const text = claims(canvas(block[0]), "me \"quoted\"", accepted, event);

  json::Parser parser;
  auto const members = parser.members(text);
  ASSERT_TRUE(members) << members.error().what;
  ASSERT_EQ(members->size(), 5U);
  EXPECT_EQ((*members)[0].value, block[0].metadata());
  EXPECT_EQ((*members)[1].value, block[0].body());
  EXPECT_EQ(json::unquoted((*members)[2].value), "me \"quoted\"");
}

TEST(Claims, are_the_same_at_every_call) {
  EXPECT_EQ(claims(R"({"a":1})", "i", accepted, event),
            claims(R"({"a":1} )", "i", accepted, event));
}

}  // namespace
}  // namespace millrace::formats
