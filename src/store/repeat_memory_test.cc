#include "store/repeat_memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace::store {
namespace {

SharedRepeat repeat(std::string key, std::uint64_t at = 1, std::int64_t expires_ms = 1'000) {
  return std::make_shared<Repeat>(
      Repeat{std::move(key), std::string(32, 'h'), "", expires_ms, {at, 0}});
}

TEST(RepeatMemoryTest, one_credentials_keys_push_out_only_its_own) {
  RepeatMemory memory(10'000);
  for (int i = 0; i < 5; ++i) memory.remember(repeat(fmt::format("kinesis:CANVAS:{}", i)), 0);

  std::size_t let_go = 0;
  for (int i = 0; i < 1'000; ++i)
    let_go += memory.remember(repeat(fmt::format("json:flood:{:04}", i)), 0);

  for (int i = 0; i < 5; ++i) EXPECT_TRUE(memory.find(fmt::format("kinesis:CANVAS:{}", i), 0)) << i;
  EXPECT_TRUE(memory.find("json:flood:0999", 0));
  EXPECT_FALSE(memory.find("json:flood:0000", 0));
  EXPECT_GT(let_go, 900U);
  EXPECT_LE(memory.bytes(), 10'000U);
}

TEST(RepeatMemoryTest, an_ended_key_is_not_counted_as_let_go) {
  RepeatMemory memory(10'000);
  memory.remember(repeat("json:a:1", 1, 100), 0);

  EXPECT_FALSE(memory.find("json:a:1", 100));
  EXPECT_EQ(memory.remember(repeat("json:b:1"), 100), 0U);
  EXPECT_EQ(memory.bytes(), repeat("json:b:1")->bytes());
}

TEST(RepeatMemoryTest, a_key_that_is_used_anew_after_its_end_takes_the_place_of_the_old) {
  RepeatMemory memory(10'000);
  memory.remember(repeat("json:a:1", 1, 500), 0);
  memory.remember(repeat("json:a:2", 2, 100), 0);

  memory.remember(repeat("json:a:2", 3, 900), 100);

  EXPECT_EQ(memory.find("json:a:2", 100)->first.batch, 3U);
  EXPECT_EQ(memory.bytes(), 2 * repeat("json:a:1")->bytes());
}

TEST(RepeatHarvestTest, a_start_reads_back_what_was_known_before) {
  RepeatHarvest harvest(10'000);
  for (std::uint64_t i = 1'000; i > 5; --i) {
    auto const key = fmt::format("json:flood:{:04}", i);
    if (harvest.wants(key)) harvest.add(repeat(key, i));
  }
  EXPECT_FALSE(harvest.wants("json:flood:0001"));
  for (std::uint64_t i = 5; i > 0; --i) harvest.add(repeat(fmt::format("kinesis:CANVAS:{}", i), i));

  RepeatMemory memory(10'000);
  for (auto& one : std::move(harvest).take()) EXPECT_EQ(memory.remember(one, 0), 0U);

  for (int i = 1; i <= 5; ++i)
    EXPECT_TRUE(memory.find(fmt::format("kinesis:CANVAS:{}", i), 0)) << i;
  EXPECT_TRUE(memory.find("json:flood:1000", 0));
  EXPECT_FALSE(memory.find("json:flood:0006", 0));
}

}  // namespace
}  // namespace millrace::store
