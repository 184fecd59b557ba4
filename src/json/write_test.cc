#include "json/write.h"

#include <gtest/gtest.h>

#include <limits>

#include "json/strict.h"

namespace millrace::json {
namespace {

TEST(AppendString, escapes_what_json_demands_and_nothing_else) {
  EXPECT_EQ(quote("plain / \xC3\xA9 \xF0\x9F\x98\x80"), "\"plain / \xC3\xA9 \xF0\x9F\x98\x80\"");
  EXPECT_EQ(quote("\"\\\b\f\n\r\t\x01\x7F"), R"("\"\\\b\f\n\r\t\u0001\u007f")");
  EXPECT_EQ(quote(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(quote(""), "\"\"");
}

TEST(AppendString, replaces_bytes_that_are_not_utf8) {
  EXPECT_EQ(quote("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  for (std::string_view const wrong :
       {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
    Parser parser;
    EXPECT_TRUE(parser.validate(quote(wrong)));
    EXPECT_NE(quote(wrong).find("\xEF\xBF\xBD"), std::string::npos);
  }
}

TEST(AppendString, what_it_writes_reads_back) {
  for (int c = 0; c < 128; ++c) {
    std::string const text = {'a', static_cast<char>(c), 'b'};
    EXPECT_EQ(unquoted(quote(text)), text);
  }
}

TEST(Writer, puts_commas_where_they_belong) {
  Writer out;

  out.begin_object()
      .key("a")
      .number(1)
      .key("b")
      .begin_array()
      .number(-2)
      .text("x")
      .null()
      .begin_object()
      .end_object()
      .end_array();
  out.key("c").begin_object().key("d").flag(true).end_object().key("e").raw("[0]").end_object();

  EXPECT_EQ(out.str(), R"({"a":1,"b":[-2,"x",null,{}],"c":{"d":true},"e":[0]})");
}

TEST(Writer, writes_numbers_that_read_back) {
  Writer out;

  out.begin_array()
      .number(std::numeric_limits<std::int64_t>::min())
      .number(std::numeric_limits<std::uint64_t>::max());
  out.real(0.1)
      .real(std::numeric_limits<double>::infinity())
      .real(std::numeric_limits<double>::quiet_NaN())
      .real(12)
      .end_array();

  EXPECT_EQ(out.str(), "[-9223372036854775808,18446744073709551615,0.1,null,null,12]");
}

}  // namespace
}  // namespace millrace::json
