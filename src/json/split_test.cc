#include "json/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "json/strict.h"

namespace millrace::json {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Row = Splitter::Row;
using Found = Splitter::Found;

struct Cut {
  std::vector<std::string> values;
  std::string trouble;
};

Cut cut(std::string_view text, Row row, std::size_t step = 1'000'000) {
  Splitter splitter(text, row);
  Cut out;
  for (;;) {
    switch (splitter.next(step)) {
      case Found::value:
        out.values.emplace_back(splitter.value());
        break;
      case Found::pause:
        break;
      case Found::trouble:
        out.trouble = splitter.trouble();
        return out;
      case Found::end:
        return out;
    }
  }
}

TEST(SplitterTest, cuts_the_elements_of_an_array) {
  EXPECT_THAT(cut(R"( [ {"a":[1,2]} , "x,]\"" ,[ ],7 , null ] )", Row::array).values,
              ElementsAre(R"({"a":[1,2]})", R"("x,]\"")", "[ ]", "7", "null"));
  EXPECT_THAT(cut("[]", Row::array).values, IsEmpty());
  EXPECT_EQ(cut("[ ]\n", Row::array).trouble, "");
}

TEST(SplitterTest, cuts_values_that_stand_one_after_another) {
  EXPECT_THAT(cut("{\"a\":\"}{\"}{}\n\n[1]\"s\"\"t\" 12\t{ }", Row::sequence).values,
              ElementsAre(R"({"a":"}{"})", "{}", "[1]", "\"s\"", "\"t\"", "12", "{ }"));
  EXPECT_THAT(cut("\x1e{\"a\":1}\n\x1e{\"b\":\n2}\n", Row::sequence).values,
              ElementsAre(R"({"a":1})", "{\"b\":\n2}"));
  EXPECT_THAT(cut(" ", Row::sequence).values, IsEmpty());
}

TEST(SplitterTest, cuts_alike_in_steps_of_any_size) {
  std::string const array = R"( [ {"a":"\\\"]"} , [1 , [2]] ,"\u0041" , 5 ] )";
  std::string const row = "{\"a\":\"\\\\\"}  {\"b\":[{}]}\x1e\"c\"true";
  for (std::size_t step = 1; step < 20; ++step) {
    EXPECT_EQ(cut(array, Row::array, step).values, cut(array, Row::array).values) << step;
    EXPECT_EQ(cut(row, Row::sequence, step).values, cut(row, Row::sequence).values) << step;
  }
}

TEST(SplitterTest, says_what_is_wrong_with_the_row) {
  for (auto const* const text : {"[", "[1", "[1,", "[\"a", "[\"a\\", "[{", "[[]", "[\"a\\\"]"})
    EXPECT_EQ(cut(text, Row::array).trouble, "has no end") << text;
  for (auto const* const text : {"[,1]", "[1,]", "[1,,2]", "[}", "[,"})
    EXPECT_EQ(cut(text, Row::array).trouble, "has a comma or a bracket where a value is due")
        << text;
  for (auto const* const text : {"[1]]", "[1] x", "[],", "[][]"})
    EXPECT_EQ(cut(text, Row::array).trouble, "has something behind its end") << text;
  EXPECT_EQ(cut("{}", Row::array).trouble, "is not an array");
  EXPECT_EQ(cut("", Row::array).trouble, "is not an array");
  EXPECT_EQ(cut("{}}", Row::sequence).trouble, "has a comma or a bracket where a value is due");
  EXPECT_EQ(cut("{}{", Row::sequence).trouble, "has no end");
}

TEST(SplitterTest, stops_where_it_is_told_to_though_the_text_goes_on) {
  std::string text = "[";
  for (int i = 0; i < 1'000'000; ++i) text += "1,";
  Splitter splitter(text, Row::array);

  for (int i = 0; i < 10; ++i) ASSERT_EQ(splitter.next(64), Found::value);

  EXPECT_LE(splitter.position(), 64U);
}

// Whatever is an array for a parser is one for the splitter, with elements that are valid; and the other way round.
TEST(SplitterTest, agrees_with_a_parser_once_each_element_is_checked) {
  std::string const alphabet = "[]{},:\"1 a\\";
  Parser parser;
  std::vector<std::size_t> digits(5, 0);
  std::size_t arrays = 0;
  for (;;) {
    std::string text = "[";
    for (auto const digit : digits) text += alphabet[digit];
    auto const whole = parser.elements(text, {});
    std::vector<std::string> wanted;
    if (whole) wanted.assign(whole->begin(), whole->end());
    auto const parts = cut(text, Row::array);
    bool valid = parts.trouble.empty();
    for (auto const& value : parts.values) valid = valid && parser.validate(value, {}).has_value();
    ASSERT_EQ(valid, whole.has_value()) << text;
    if (valid) {
      ASSERT_EQ(parts.values, wanted) << text;
      ++arrays;
    }
    std::size_t at = 0;
    while (at < digits.size() && ++digits[at] == alphabet.size()) digits[at++] = 0;
    if (at == digits.size()) break;
  }
  EXPECT_GT(arrays, 10U);
}

}  // namespace
}  // namespace millrace::json
