#include "ingest/cbor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"

namespace millrace::ingest {
namespace {

using Kind = CborItem::Kind;

std::string bytes(std::string_view hex) { return unhex(hex).value(); }

// What is left of `hex` once a value has been passed over; "malformed" where none could be.
std::string rest_after_skip(std::string_view hex) {
  auto const text = bytes(hex);
  CborReader reader(text);
  auto const item = reader.next();
  if (!item || !reader.skip(*item)) return "malformed";
  return reader.at_end() ? "nothing" : "something";
}

TEST(CborTest, reads_strings_in_one_or_in_pieces) {
  auto const text = bytes(
      "63616263"
      "7f6161626263ff"
      "43010203"
      "5f41014102ff"
      "60");
  CborReader reader(text);
  std::vector<std::string> strings;
  while (auto const item = reader.next()) strings.emplace_back(reader.string(*item).value());

  EXPECT_THAT(strings, ::testing::ElementsAre("abc", "abc", "\x01\x02\x03", "\x01\x02", ""));
}

TEST(CborTest, refuses_pieces_of_another_kind) {
  for (auto const* const hex : {"7f4161ff", "5f6161ff", "7f7f6161ffff", "7f6161", "5f01ff"}) {
    auto const text = bytes(hex);
    CborReader reader(text);
    auto const item = reader.next();
    ASSERT_TRUE(item);
    EXPECT_FALSE(reader.string(*item)) << hex;
  }
}

TEST(CborTest, passes_over_values_of_any_kind) {
  for (auto const* const hex : {"00",
                                "1903e8",
                                "1bffffffffffffffff",
                                "20",
                                "3903e7",
                                "f4",
                                "f5",
                                "f6",
                                "f7",
                                "f93c00",
                                "fa47c35000",
                                "fb3ff199999999999a",
                                "40",
                                "60",
                                "80",
                                "a0",
                                "83010203",
                                "a201020304",
                                "9f0102ff",
                                "bf61610161629f02ffff",
                                "82a1616101f6",
                                "c11a514b67b0",
                                "d9d9f7a0",
                                "5f41014102ff",
                                "7f6161ff"})
    EXPECT_EQ(rest_after_skip(hex), "nothing") << hex;
  EXPECT_EQ(rest_after_skip("8000"), "something");
}

TEST(CborTest, refuses_what_is_cut_short_wrong_or_too_deep) {
  for (auto const* const hex : {"",
                                "19",
                                "63",
                                "6361",
                                "81",
                                "a1",
                                "a101",
                                "9f",
                                "bf01ff",
                                "ff",
                                "81ff",
                                "a1ff",
                                "5f",
                                "9bffffffffffffffff00",
                                "bbffffffffffffffff00",
                                "5bffffffffffffffff00",
                                "1c",
                                "fc",
                                "c1",
                                "c1c1c1c1c1c1c1c1c100"})
    EXPECT_EQ(rest_after_skip(hex), "malformed") << hex;
  auto const nested = [](std::size_t depth) {
    std::string hex;
    for (std::size_t i = 0; i < depth; ++i) hex += "81";
    return hex + "00";
  };
  EXPECT_EQ(rest_after_skip(nested(CborReader::depth)), "nothing");
  EXPECT_EQ(rest_after_skip(nested(CborReader::depth + 1)), "malformed");
  EXPECT_EQ(rest_after_skip(nested(100'000)), "malformed");
}

TEST(CborTest, goes_through_rows_whose_length_is_known_and_unknown) {
  for (auto const* const hex : {"83010203", "9f010203ff"}) {
    auto const text = bytes(hex);
    CborReader reader(text);
    CborRow row(*reader.next());
    std::size_t items = 0;
    while (row.next(reader)) ++items;
    EXPECT_EQ(items, 3U);
    EXPECT_FALSE(row.is_malformed());
    EXPECT_TRUE(reader.at_end());
  }
  auto const text = bytes("8301ff");
  CborReader reader(text);
  CborRow row(*reader.next());
  while (row.next(reader)) {
  }
  EXPECT_TRUE(row.is_malformed());
}

TEST(CborTest, keeps_few_strings_that_came_in_pieces) {
  std::string text;
  for (std::size_t i = 0; i <= CborReader::kept; ++i) text += "\x5F\xFF";
  CborReader reader(text);
  for (std::size_t i = 0; i < CborReader::kept; ++i)
    ASSERT_TRUE(reader.string(*reader.next()).has_value());
  EXPECT_FALSE(reader.string(*reader.next()).has_value());
}

TEST(CborTest, writes_what_json_says) {
  EXPECT_EQ(hex(cbor_of_json(R"({"a":[1,24,"é",true,null],"n":1795287912000})")),
            "a261618501181862c3a9f5f6616e1b000001a1ff7f8e40");
}

}  // namespace
}  // namespace millrace::ingest
