#include "http_server/body_memory.h"

#include <gmock/gmock.h>

#include <list>

namespace millrace::http::server {
namespace {

using Grant = BodyMemory::Grant;
using Hold = BodyMemory::Hold;

BodyShare share(std::string name, std::size_t bytes, std::size_t bodies = 8) {
  return {.name = std::move(name), .kind = "test", .bytes = bytes, .bodies = bodies};
}

TEST(BodyMemoryTest, what_is_held_goes_back_with_its_hold) {
  BodyMemory memory(1000);
  {
    Hold one(memory, share("a", 500)), other(memory, share("b", 500)), asked(memory, share("c", 1));
    EXPECT_EQ(one.grow(100), Grant::given);
    EXPECT_EQ(one.grow(300), Grant::given);
    EXPECT_EQ(other.grow(50), Grant::given);
    EXPECT_EQ(asked.grow(2), Grant::share_full);
    EXPECT_EQ(memory.usage().bytes, 350U);
    EXPECT_EQ(memory.usage().bodies, 2U);
  }
  EXPECT_EQ(memory.usage().bytes, 0U);
  EXPECT_EQ(memory.usage().bodies, 0U);
  EXPECT_EQ(memory.usage().shares, 0U);
}

TEST(BodyMemoryTest, a_share_has_its_bytes_and_bodies_and_no_more) {
  BodyMemory memory(1000);
  Hold one(memory, share("a", 100, 2)), two(memory, share("a", 100, 2)),
      three(memory, share("a", 100, 2));

  EXPECT_EQ(one.grow(60), Grant::given);
  EXPECT_EQ(two.grow(41), Grant::share_full);
  EXPECT_EQ(two.grow(40), Grant::given);
  EXPECT_EQ(three.grow(0), Grant::share_full);
}

TEST(BodyMemoryTest, room_that_is_given_back_goes_to_who_asks_again) {
  BodyMemory memory(1000);
  auto first = std::make_unique<Hold>(memory, share("a", 100));
  Hold second(memory, share("a", 100));
  EXPECT_EQ(first->grow(100), Grant::given);
  EXPECT_EQ(second.grow(1), Grant::share_full);

  first.reset();

  EXPECT_EQ(second.grow(100), Grant::given);
}

TEST(BodyMemoryTest, who_waits_is_woken_in_order_and_only_where_there_is_room_for_it) {
  BodyMemory memory(1000);
  auto first = std::make_unique<Hold>(memory, share("a", 100));
  EXPECT_EQ(first->grow(100), Grant::given);
  auto holder = std::make_unique<Hold>(memory, share("b", 100));
  EXPECT_EQ(holder->grow(100), Grant::given);
  Hold other(memory, share("b", 100)), large(memory, share("a", 100)),
      small(memory, share("a", 100));
  std::string woken;
  EXPECT_EQ(other.grow(50), Grant::share_full);
  other.wait(50, [&] { woken += "other "; });
  EXPECT_EQ(large.grow(80), Grant::share_full);
  large.wait(80, [&] { woken += "large "; });
  EXPECT_EQ(small.grow(20), Grant::share_full);
  small.wait(20, [&] { woken += "small "; });
  EXPECT_EQ(woken, "");

  first.reset();
  EXPECT_EQ(woken, "large ") << "the share of the other is as full as before; one at a time";
  EXPECT_EQ(large.grow(80), Grant::given);
  EXPECT_EQ(woken, "large small ");
  EXPECT_EQ(small.grow(20), Grant::given);
  holder.reset();
  EXPECT_EQ(woken, "large small other ");
}

TEST(BodyMemoryTest, who_is_woken_and_goes_lets_the_next_have_it) {
  BodyMemory memory(1000);
  auto first = std::make_unique<Hold>(memory, share("a", 100));
  EXPECT_EQ(first->grow(100), Grant::given);
  auto gone = std::make_unique<Hold>(memory, share("a", 100));
  auto left = std::make_unique<Hold>(memory, share("a", 100));
  Hold last(memory, share("a", 100));
  std::string woken;
  gone->wait(100, [&] { woken += "gone "; });
  left->wait(100, [&] { woken += "left "; });
  last.wait(100, [&] { woken += "last "; });

  left.reset();
  first.reset();
  gone.reset();

  EXPECT_EQ(woken, "gone last ");
  EXPECT_EQ(last.grow(100), Grant::given);
}

TEST(BodyMemoryTest, who_waits_though_there_is_room_is_woken_at_once) {
  BodyMemory memory(1000);
  Hold one(memory, share("a", 100));
  int woken = 0;

  one.wait(100, [&] { ++woken; });

  EXPECT_EQ(woken, 1);
}

TEST(BodyMemoryTest, as_many_wait_as_the_share_has_bodies) {
  BodyMemory memory(1000);
  std::list<Hold> holds;
  auto const ask = [&] { return holds.emplace_back(memory, share("a", 100, 2)).grow(0); };
  EXPECT_EQ(ask(), Grant::given);
  EXPECT_EQ(ask(), Grant::given);

  EXPECT_EQ(ask(), Grant::share_full);
  EXPECT_EQ(ask(), Grant::share_full);
  EXPECT_EQ(ask(), Grant::crowded);
}

TEST(BodyMemoryTest, large_shares_leave_the_last_quarter_to_small_ones) {
  BodyMemory memory(3200);
  std::list<Hold> large;
  for (auto const* const name : {"a", "b", "c", "d"}) large.emplace_back(memory, share(name, 800));
  for (auto& one : large) static_cast<void>(one.grow(600));

  EXPECT_EQ(large.front().grow(601), Grant::memory_full);
  Hold small(memory, share("e", 800));
  EXPECT_EQ(small.grow(100), Grant::given);
  EXPECT_EQ(small.grow(101), Grant::memory_full);
  EXPECT_LE(memory.usage().bytes, 3200U);
}

TEST(BodyMemoryTest, the_whole_has_an_end_for_small_bodies_too) {
  BodyMemory memory(3200);
  std::list<Hold> small;
  for (int i = 0; i < 32; ++i) {
    small.emplace_back(memory, share(std::to_string(i), 800));
    EXPECT_EQ(small.back().grow(100), Grant::given) << i;
  }
  Hold late(memory, share("late", 800));

  EXPECT_EQ(late.grow(1), Grant::memory_full);
  EXPECT_EQ(memory.usage().bytes, 3200U);
}

TEST(BodyMemoryTest, a_share_of_the_whole_may_have_the_whole) {
  BodyMemory memory(1000);
  Hold one(memory, share("all", 1000));
  EXPECT_EQ(one.grow(1000), Grant::given);
}

}  // namespace
}  // namespace millrace::http::server
