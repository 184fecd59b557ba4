#include "json/strict.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::json {
namespace {

using testing::HasSubstr;

std::string refused(std::string_view text) {
  Parser parser;
  auto const event = split_event(text, parser);
  return event ? "accepted" : event.error().what;
}

TEST(SplitEvent, gives_both_values_byte_for_byte) {
  Parser parser;
  constexpr std::string_view text =
      " {\n \"attributes\" : { \"event_name\":\"grade_change\", \"n\": 1.50e+1 "
      ",\"x\":[1,{\"y\":{}}]} , "
      "\"body\":{\"t\":\"\\u00e9\xC3\xA9\", \"e\":[] } }\r\n";

  auto const event = split_event(text, parser);

  ASSERT_TRUE(event) << event.error().what;
  EXPECT_TRUE(event->attributes);
  EXPECT_EQ(event->metadata,
            "{ \"event_name\":\"grade_change\", \"n\": 1.50e+1 ,\"x\":[1,{\"y\":{}}]}");
  EXPECT_EQ(event->body, "{\"t\":\"\\u00e9\xC3\xA9\", \"e\":[] }");
  EXPECT_EQ(event->event_name, "grade_change");
}

TEST(SplitEvent, takes_the_keys_in_either_order_and_under_either_name) {
  Parser parser;

  auto const event = split_event(R"({"body":{},"metadata":{"event_name":"x"}})", parser);

  ASSERT_TRUE(event) << event.error().what;
  EXPECT_FALSE(event->attributes);
  EXPECT_EQ(event->body, "{}");
}

TEST(SplitEvent, finds_what_decides_about_the_way_of_the_event) {
  Parser parser;

  auto const event = split_event(
      R"({"metadata":{"root_account_uuid":"shard","event_time":"2026-11-21T19:05:12.123Z","event_name":"a"},
          "body":{"deep":{"root_account_uuid":"not this"},"root_account_uuid":"mine"}})",
      parser);

  ASSERT_TRUE(event) << event.error().what;
  EXPECT_EQ(event->event_time, "2026-11-21T19:05:12.123Z");
  EXPECT_EQ(event->metadata_root_account, "shard");
  EXPECT_EQ(event->body_root_account, "mine");
  EXPECT_EQ(event->account(), "mine");
}

TEST(SplitEvent, falls_back_to_the_account_of_the_metadata) {
  Parser parser;

  auto const event = split_event(
      R"({"metadata":{"event_name":"a","root_account_uuid":"shard"},"body":{"root_account_uuid":null}})",
      parser);

  ASSERT_TRUE(event) << event.error().what;
  EXPECT_EQ(event->account(), "shard");
}

TEST(SplitEvent, reads_escaped_keys_and_values) {
  Parser parser;

  auto const event = split_event(
      R"({"m\u0065tadata":{"\u0065vent_name":"caf\u00e9 \ud83d\ude00 \"x\""},"body":{}})", parser);

  ASSERT_TRUE(event) << event.error().what;
  EXPECT_EQ(event->event_name, "caf\xC3\xA9 \xF0\x9F\x98\x80 \"x\"");
}

TEST(SplitEvent, one_parser_serves_many_texts) {
  Parser parser;
  for (int i = 0; i < 50; ++i) {
    auto const text = fmt::format(R"({{"metadata":{{"event_name":"n{}"}},"body":{{"s":"{}"}}}})", i,
                                  std::string(static_cast<std::size_t>(i) * 997, 'x'));
    auto const event = split_event(text, parser);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->event_name, fmt::format("n{}", i));
    EXPECT_FALSE(split_event("{", parser));
  }
}

TEST(SplitEvent, refuses_keys_that_are_unknown_or_twice) {
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"body":{},"iss":"me"})"),
              HasSubstr("unknown key \"iss\""));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"body":{},"i\u0073s":"me"})"),
              HasSubstr("unknown key \"iss\""));
  EXPECT_THAT(refused(R"({"body":{},"metadata":{"event_name":"x"},"body":{}})"),
              HasSubstr("\"body\" twice"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"attributes":{},"body":{}})"),
              HasSubstr("twice"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"metad\u0061ta":{},"body":{}})"),
              HasSubstr("twice"));
}

TEST(SplitEvent, refuses_routing_keys_that_come_twice) {
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x","event_name":"y"},"body":{}})"),
              HasSubstr("event.metadata.event_name: is there twice"));
  EXPECT_THAT(refused(R"({"attributes":{"event_name":"x","\u0065vent_name":"y"},"body":{}})"),
              HasSubstr("event.attributes.event_name: is there twice"));
  EXPECT_THAT(
      refused(
          R"({"metadata":{"event_name":"x"},"body":{"root_account_uuid":null,"root_account_uuid":"a"}})"),
      HasSubstr("event.body.root_account_uuid: is there twice"));
  EXPECT_EQ(refused(R"({"metadata":{"event_name":"x","other":1,"other":2},"body":{}})"),
            "accepted");
}

TEST(SplitEvent, refuses_what_has_not_the_shape) {
  EXPECT_THAT(refused(""), HasSubstr("is empty"));
  EXPECT_THAT(refused("   "), HasSubstr("is empty"));
  EXPECT_THAT(refused("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(refused("3"), HasSubstr("not a JSON object"));
  EXPECT_THAT(refused("\"x\""), HasSubstr("not a JSON object"));
  EXPECT_THAT(refused("{}"), HasSubstr("no \"metadata\""));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"}})"), HasSubstr("no \"body\""));
  EXPECT_THAT(refused(R"({"metadata":[],"body":{}})"),
              HasSubstr("event.metadata: is not an object"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"body":null})"),
              HasSubstr("event.body: is not an object"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"body":{}} x)"), HasSubstr("is not JSON"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"body":{}}{})"), HasSubstr("is not JSON"));
}

TEST(SplitEvent, refuses_names_that_cannot_be_routed) {
  EXPECT_THAT(refused(R"({"metadata":{},"body":{}})"),
              HasSubstr("event.metadata.event_name: is absent or empty"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":""},"body":{}})"),
              HasSubstr("is absent or empty"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":7},"body":{}})"), HasSubstr("is not a string"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"a\r\nb"},"body":{}})"),
              HasSubstr("control character"));
  auto const named = [](std::size_t bytes) {
    return refused(fmt::format(R"({{"metadata":{{"event_name":"{}"}},"body":{{}}}})",
                               std::string(bytes, 'n')));
  };
  EXPECT_EQ(named(255), "accepted");
  EXPECT_THAT(named(256), HasSubstr("longer than 255 bytes"));
  EXPECT_THAT(refused(R"({"metadata":{"event_name":"x"},"body":{"root_account_uuid":[1]}})"),
              HasSubstr("event.body.root_account_uuid: is not a string"));
}

// Each is wrong somewhere that nobody looks at again before it is signed and sent.
TEST(SplitEvent, validates_what_it_only_passes_on) {
  for (std::string_view const value : {"01",
                                       "1.",
                                       "+1",
                                       ".5",
                                       "1e",
                                       "-",
                                       "nul",
                                       "tru",
                                       "True",
                                       "'x'",
                                       "\"\x01\"",
                                       "\"\\x\"",
                                       "\"\\u12\"",
                                       "\"\\u12g4\"",
                                       "[1,]",
                                       "{\"a\":1,}",
                                       "{\"a\"}",
                                       "{1:2}",
                                       "\"\xFF\"",
                                       "\"\xC0\xAF\"",
                                       "\"\xED\xA0\x80\"",
                                       "\"\\ud800\"",
                                       "\"\\udc00\"",
                                       "\"\\ud800\\u0041\"",
                                       "\"\\udc00\\ud800\"",
                                       "\"\\ud800x\"",
                                       "[",
                                       "]",
                                       "}",
                                       "\"",
                                       "NaN",
                                       "1 2",
                                       "123456789012345678901234567890x"}) {
    EXPECT_NE(
        refused(fmt::format(R"({{"metadata":{{"event_name":"x"}},"body":{{"v":{}}}}})", value)),
        "accepted")
        << value;
  }
}

TEST(SplitEvent, takes_every_valid_value) {
  for (std::string_view const value :
       {"0", "-0", "0.5", "1E400", "-1e-400", "123456789012345678901234567890",
        "18446744073709551616", "\"\\\\ud800\"", "\"\\ud83d\\ude00\"", "\"\\u0000\"", "[[],{}]",
        "null", "1e5", "-9223372036854775808"}) {
    auto const text =
        fmt::format(R"({{"metadata":{{"event_name":"x"}},"body":{{"v": {} ,"w":1}}}})", value);
    Parser parser;
    auto const event = split_event(text, parser);
    ASSERT_TRUE(event) << value << ": " << event.error().what;
    EXPECT_EQ(event->body, fmt::format(R"({{"v": {} ,"w":1}})", value));
  }
}

TEST(SplitEvent, holds_its_limits_exactly) {
  auto const deep = [](std::size_t levels) {  // the event and its body are two of them
    return refused(R"({"metadata":{"event_name":"x"},"body":{"v":)" + std::string(levels - 2, '[') +
                   std::string(levels - 2, ']') + "}}");
  };
  EXPECT_EQ(deep(64), "accepted");
  EXPECT_THAT(deep(65), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(deep(100'000), HasSubstr("nested deeper than 64"));

  std::string const frame = R"({"metadata":{"event_name":"x"},"body":{"v":""}})";
  auto const sized = [&](std::size_t bytes) {
    return refused(R"({"metadata":{"event_name":"x"},"body":{"v":")" +
                   std::string(bytes - frame.size(), 'v') + R"("}})");
  };
  EXPECT_EQ(sized(1024 * 1024), "accepted");
  EXPECT_THAT(sized(1024 * 1024 + 1), HasSubstr("more than 1048576"));
}

TEST(Parser, cuts_members_and_elements_out_raw) {
  Parser parser;

  auto const members = parser.members(R"( {"a" : 1 , "b\n":[ 1, 2 ],"c":"x"} )");
  auto const elements = parser.elements(" [ 1 , {\"a\":[]} ,\"x\", [ ] ] ");

  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 3U);
  EXPECT_EQ((*members)[0].value, "1");
  EXPECT_EQ((*members)[1].key, "b\n");
  EXPECT_EQ((*members)[1].value, "[ 1, 2 ]");
  ASSERT_TRUE(elements);
  EXPECT_THAT(*elements, testing::ElementsAre("1", "{\"a\":[]}", "\"x\"", "[ ]"));
  EXPECT_TRUE(parser.elements("[]")->empty());
  EXPECT_TRUE(parser.members("{}")->empty());
}

TEST(Parser, refuses_the_wrong_kind_and_keys_that_come_twice) {
  Parser parser;

  EXPECT_FALSE(parser.members("[]"));
  EXPECT_FALSE(parser.elements("{}"));
  EXPECT_FALSE(parser.elements("1"));
  EXPECT_THAT(parser.members(R"({"a":1,"\u0061":2})").error().what,
              HasSubstr("\"a\": is there twice"));
  EXPECT_FALSE(parser.validate("[[]]", {.bytes = 100, .depth = 1}));
  EXPECT_FALSE(parser.validate("[1,2]", {.bytes = 4}));
  EXPECT_TRUE(parser.validate("1"));
}

TEST(Unquoted, gives_the_text_or_nothing) {
  EXPECT_EQ(unquoted(R"("a\/\b\f\n\r\t\\\"\u00e9\ud83d\ude00")"),
            "a/\b\f\n\r\t\\\"\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(unquoted("7"), std::nullopt);
  EXPECT_EQ(unquoted("\""), std::nullopt);
  EXPECT_EQ(unquoted(R"("\ud83d")"), std::nullopt);
}

TEST(ParserTest, finds_a_key_twice_among_few_and_among_many) {
  for (int const members : {2, 15, 16, 17, 40})
    for (int const repeated : {0, members / 2, members - 1}) {
      std::string good = "{";
      for (int i = 0; i < members; ++i) good += fmt::format("{}\"k{}\":{}", i ? "," : "", i, i);
      auto const twice = good + fmt::format(",\"\\u006b{}\":0}}", repeated);
      Parser parser;

      EXPECT_EQ(parser.members(good + "}").value().size(), static_cast<std::size_t>(members));
      EXPECT_FALSE(parser.members(twice)) << members << ' ' << repeated;
    }
}

}  // namespace
}  // namespace millrace::json
