#include "json/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Parse, holds_limits_and_refuses_keys_that_come_twice) {
  EXPECT_TRUE(parse(R"({"a":[1,2,{"b":null}]})"));
  EXPECT_FALSE(parse("{"));
  EXPECT_FALSE(parse("[[1]]", {.bytes = 100, .depth = 1}));
  EXPECT_FALSE(parse("[1]", {.bytes = 2, .depth = 1}));
  EXPECT_THAT(parse(R"({"a":1,"a":2})").error().what, HasSubstr("twice"));
  EXPECT_THAT(parse(R"([{"a":[{"b":1,"c":"x","\u0062":2}]}])").error().what,
              HasSubstr("\"b\": is there twice"));
  EXPECT_TRUE(parse(R"([{"a":1},{"a":{"a":"a"}},"a"])"));
}

struct FieldsTest : testing::Test {
  std::vector<std::string> told() const {
    std::vector<std::string> out;
    for (auto const& trouble : troubles) out.push_back(trouble.field + " " + trouble.message);
    return out;
  }
  std::vector<FieldTrouble> troubles;
};

TEST_F(FieldsTest, reads_what_is_good) {
  auto const value = parse(R"({"t":"x","f":true,"n":5,"c":"two","l":["a","b"],"o":{}})");
  Fields fields(value->get_object(), "", troubles);

  EXPECT_EQ(fields.text("t", 1, 10), "x");
  EXPECT_EQ(fields.flag("f"), true);
  EXPECT_EQ(fields.number("n", 1, 5), 5);
  EXPECT_EQ(fields.choice("c", {"one", "two"}), 1U);
  EXPECT_THAT(*fields.texts("l", 2, 1), ElementsAre("a", "b"));
  EXPECT_NE(fields.object("o"), nullptr);
  EXPECT_EQ(fields.text("absent", 1, 2), std::nullopt);
  fields.refuse_others();
  EXPECT_THAT(told(), ElementsAre());
}

TEST_F(FieldsTest, tells_all_faults_at_once_with_their_pointers) {
  auto const value =
      parse(R"({"t":7,"f":"yes","n":6,"c":"three","l":["a",1,""],"o":[],"a/b~c":"x\u0007"})");
  Fields fields(value->get_object(), "/in", troubles);

  fields.text("t", 1, 10), fields.flag("f"), fields.number("n", 1, 5),
      fields.choice("c", {"one", "two"});
  fields.texts("l", 3, 5), fields.object("o"), fields.text("a/b~c", 1, 9);

  EXPECT_THAT(told(),
              ElementsAre("/in/t is not a string", "/in/f is neither true nor false",
                          "/in/n is not a whole number from 1 to 5", "/in/c is not one or two",
                          "/in/l/1 is not a string", "/in/l/2 is empty", "/in/o is not an object",
                          "/in/a~1b~0c holds a control character"));
}

TEST_F(FieldsTest, refuses_unknown_fields_and_guesses_what_was_meant) {
  auto const value = parse(R"({"evnet_types":1,"color":2,"name":"x"})");
  Fields fields(value->get_object(), "", troubles);
  fields.has("event_types"), fields.has("name");

  fields.refuse_others();

  EXPECT_THAT(
      told(),
      ElementsAre("/evnet_types is not a field that is known here; did you mean \"event_types\"?",
                  "/color is not a field that is known here"));
}

TEST_F(FieldsTest, endless_unknown_fields_are_told_in_part) {
  std::string text = "{";
  for (int i = 0; i < 10'000; ++i) text += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":1";
  auto const value = parse(text + "}");
  Fields fields(value->get_object(), "", troubles);
  fields.has("name");

  fields.refuse_others();

  EXPECT_EQ(troubles.size(), 101U);
  EXPECT_EQ(troubles.back().message, "has more fields that are not known here");
}

TEST_F(FieldsTest, a_misspelt_word_of_a_choice_is_told_the_nearest) {
  auto const value = parse(R"({"role":"onwer","other":"x"})");
  Fields fields(value->get_object(), "", troubles);

  fields.choice("role", {"owner", "viewer"}), fields.choice("other", {"owner", "viewer"});

  EXPECT_THAT(told(), ElementsAre("/role is not owner or viewer; did you mean owner?",
                                  "/other is not owner or viewer"));
}

}  // namespace
}  // namespace millrace::json
