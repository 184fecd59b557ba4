#include "delivery/throttle.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime start{1h};

TEST(ThrottleTest, a_mark_that_ends_gives_its_place_and_its_token_back) {
  Throttle throttle(8, 1.0, start);

  for (int i = 0; i < 10; ++i) {
    auto const mark = throttle.begin_try(start);
    ASSERT_TRUE(mark) << i;
    EXPECT_EQ(throttle.under_way(), 1U);
  }

  EXPECT_EQ(throttle.under_way(), 0U);
}

TEST(ThrottleTest, a_token_that_is_spent_does_not_come_back) {
  Throttle throttle(8, 1.0, start);
  {
    auto mark = throttle.begin_try(start);
    ASSERT_TRUE(mark);
    mark->spend();
  }

  EXPECT_FALSE(throttle.begin_try(start));
  EXPECT_TRUE(throttle.is_limited());
  EXPECT_EQ(throttle.next_try(start), start + 1s);
  EXPECT_TRUE(throttle.begin_try(start + 1s));
  EXPECT_FALSE(throttle.is_limited());
}

TEST(ThrottleTest, a_mark_is_counted_once_wherever_it_is_moved) {
  Throttle throttle(8, std::nullopt, start);
  std::vector<Throttle::Mark> marks;
  for (int i = 0; i < 100; ++i) marks.push_back(std::move(*throttle.begin_try(start)));
  for (auto& mark : marks) mark.count_as_retry();
  marks.front().count_as_retry();

  auto moved = std::move(marks);

  EXPECT_EQ(throttle.under_way(), 100U);
  EXPECT_EQ(throttle.retries_under_way(), 100U);
  moved.erase(moved.begin(), moved.begin() + 40);
  EXPECT_EQ(throttle.under_way(), 60U);
  EXPECT_EQ(throttle.retries_under_way(), 60U);
  moved.back() = std::move(*throttle.begin_try(start));
  EXPECT_EQ(throttle.under_way(), 60U);
  EXPECT_EQ(throttle.retries_under_way(), 59U);
  moved.clear();
  EXPECT_EQ(throttle.under_way(), 0U);
  EXPECT_EQ(throttle.retries_under_way(), 0U);
}

TEST(ThrottleTest, a_mark_ends_once_whoever_ends_it_first) {
  Throttle throttle(8, 2.0, start);
  auto one = *throttle.begin_try(start);
  auto two = *throttle.begin_try(start);

  one.spend();
  one.give_back();
  one.spend();

  EXPECT_EQ(throttle.under_way(), 1U);
  EXPECT_FALSE(throttle.begin_try(start)) << "the spent token came back";
}

TEST(ThrottleTest, a_pause_is_cut_to_its_bounds_and_never_becomes_shorter) {
  struct Row {
    Duration first, second;
    SteadyTime until;
  };
  std::vector<Row> const rows{{10s, 5s, start + 10s},
                              {10s, 20s, start + 20s},
                              {24h, 0s, start + 5min},
                              {1s, -1h, start + 1s}};
  for (auto const& row : rows) {
    Throttle throttle(8, std::nullopt, start);

    throttle.pause(row.first, start);
    throttle.pause(row.second, start);

    EXPECT_EQ(throttle.paused(start), row.until);
    EXPECT_EQ(throttle.paused(row.until - 1ns), row.until);
    EXPECT_EQ(throttle.paused(row.until), std::nullopt);
  }
}

TEST(ThrottleTest, of_all_times_to_wake_only_an_earlier_one_is_asked_for) {
  Throttle throttle(8, std::nullopt, start);

  EXPECT_TRUE(throttle.wants_wake(start + 10s));
  EXPECT_FALSE(throttle.wants_wake(start + 10s));
  EXPECT_FALSE(throttle.wants_wake(start + 11s));
  EXPECT_TRUE(throttle.wants_wake(start + 9s));

  throttle.woken();

  EXPECT_TRUE(throttle.wants_wake(start + 11s));
}

TEST(ThrottleTest, no_more_is_kept_ahead_than_a_second_may_send) {
  EXPECT_EQ(Throttle(8, std::nullopt, start).ahead(), 2U) << "the window as it begins";
  EXPECT_EQ(Throttle(8, 1.0, start).ahead(), 1U);
  EXPECT_EQ(Throttle(8, 1000.0, start).ahead(), 2U);
}

}  // namespace
}  // namespace millrace::delivery
