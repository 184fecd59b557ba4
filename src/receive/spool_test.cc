#include "receive/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::receive {
namespace {

TEST(SpoolTest, lines_read_back) {
  auto const key = RepeatHash::of("id 1");
  auto const text = spool_line(key, "2026-11-21", "grade_change", R"({"a b":1})") +
                    spool_line(RepeatHash::of("id 2"), "2026-11-22", "x", "{}");

  auto const read = read_spool(text);

  ASSERT_EQ(read.lines.size(), 2U);
  EXPECT_EQ(read.lines[0].key, key);
  EXPECT_EQ(read.lines[0].date, "2026-11-21");
  EXPECT_EQ(read.lines[0].name, "grade_change");
  EXPECT_EQ(read.lines[0].json, R"({"a b":1})");
  EXPECT_EQ(read.lines[1].json, "{}");
  EXPECT_EQ(read.damaged, 0U);
}

TEST(SpoolTest, every_torn_end_is_left_out) {
  auto const first = spool_line(RepeatHash::of("1"), "2026-11-21", "x", R"({"n":1})");
  auto const both = first + spool_line(RepeatHash::of("2"), "2026-11-21", "x", R"({"n":2})");

  for (auto cut = first.size(); cut < both.size(); ++cut) {
    auto const read = read_spool(std::string_view(both).substr(0, cut));
    ASSERT_EQ(read.lines.size(), 1U) << cut;
    ASSERT_EQ(read.damaged, 0U) << cut;
  }
}

TEST(SpoolTest, every_flipped_bit_is_noticed) {
  auto const whole = spool_line(RepeatHash::of("1"), "2026-11-21", "x", R"({"n":1})") +
                     spool_line(RepeatHash::of("2"), "2026-11-21", "x", "{}");
  for (std::size_t at = 0; at < whole.find('\n'); ++at) {
    auto text = whole;
    text[at] = static_cast<char>(text[at] ^ 0x10);
    EXPECT_EQ(read_spool(text).lines.size(), 1U) << at;
  }
}

TEST(SpoolTest, hashes_survive_their_bytes) {
  auto const key = RepeatHash::of("anything");

  EXPECT_EQ(RepeatHash::from_bytes(key.bytes()), key);
  EXPECT_NE(RepeatHash::of("a"), RepeatHash::of("b"));
}

}  // namespace
}  // namespace millrace::receive
