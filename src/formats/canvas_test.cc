#include "formats/canvas.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "json/strict.h"

namespace millrace::formats {
namespace {

EventId const event = *EventId::parse("0192f0c1-0000-7000-8000-000000000001");
WallTime const accepted = parse_time("2026-11-21T19:05:12.999Z").value();

// What a producer sends as {"attributes":…,"body":…}, as a receiver gets it.
std::string forwarded(std::string_view attributes, std::string_view body) {
  auto const sent = fmt::format(R"({{"attributes":{},"body":{}}})", attributes, body);
  json::Parser parser;
  auto const split = json::split_event(sent, parser);
  EXPECT_TRUE(split) << split.error().what;
  if (!split) return {};
  model::EventBlock block;
  block.add("account", split->event_name, split->metadata, split->body);
  return std::string(canvas(block[0]));
}

TEST(Canvas, forwards_the_oddities_of_canvas_unchanged) {
  constexpr std::array<std::array<std::string_view, 2>, 7> odd{{
      {R"({"event_name":"course_updated","event_time":"2019-11-05 07:38:00 -0800"})", R"({"a":1})"},
      {R"({"event_name":"enrollment_created","event_time":"2018-10-09T21:07:33Z","url":"http://a/?b=1&amp;c=2"})",
       R"({"updated_at":"019-11-05T13:38:00.218Z"})"},
      {R"({"event_name":"grade_change","user_sis_id":null,"session_id":null})",
       R"({"grade":"","score":100.0,"points":1E2,"old":-0.0,"n":5})"},
      {R"({"event_name":"account_created"})", R"({"account_id":3,"parent_account_id":2})"},
      {R"({"event_name":"outcomes.retry_outcome_alignment_clone"})", R"({})"},
      {R"({"event_name":"quizzes.item_created","event_name_":1})",
       R"({"assignment_id_duplicated__from":"1"})"},
      {"{ \"event_name\" : \"x\" ,\n "
       "\"root_account_uuid\":\"VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs\"}",
       "{\"text\":\"\u4e16 \\u4e16 \\/ + %20\" , \"list\":[ 1 ,2 ]}"},
  }};
  for (auto const& [attributes, body] : odd)
    EXPECT_EQ(forwarded(attributes, body),
              fmt::format(R"({{"metadata":{},"body":{}}})", attributes, body));
}

TEST(Canvas, forwards_every_published_example_byte_for_byte) {
  auto const folder =
      std::filesystem::path(MILLRACE_SOURCE_DIR) / "../shared/canvas/event-types/canvas";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the published examples are not here";
  std::size_t examples = 0;
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    auto const tree = boost::json::parse(text.str());
    for (auto const& example : tree.at("examples").as_array()) {
      auto const metadata = boost::json::serialize(example.at("payload").at("metadata"));
      auto const body = boost::json::serialize(example.at("payload").at("body"));
      EXPECT_EQ(forwarded(metadata, body),
                fmt::format(R"({{"metadata":{},"body":{}}})", metadata, body));
      ++examples;
    }
  }
  EXPECT_EQ(examples, 121);
}

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
