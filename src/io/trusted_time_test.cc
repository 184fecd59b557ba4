#include "io/trusted_time.h"

#include <gtest/gtest.h>

namespace millrace::io {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr Duration month = hours(24 * 30);

class SetClock final : public Clock {
 public:
  SteadyTime now() const override { return steady; }
  SteadyTime uptime() const override { return steady + suspended; }
  WallTime wall() const override { return wall_time; }
  Task<void> sleep_until(SteadyTime) override { co_return; }
  void pass(Duration span) {
    steady += span;
    wall_time += span;
  }

  SteadyTime steady{hours(5)};
  Duration suspended{};
  WallTime wall_time = from_unix_ms(1'790'000'000'000);
};

class TrustedTimeTest : public ::testing::Test {
 protected:
  SetClock clock;
  TrustedTime time{clock};
};

TEST_F(TrustedTimeTest, is_the_walls_while_it_goes_as_the_steady_clock_does) {
  for (int i = 0; i < 100; ++i) {
    clock.pass(hours(12));
    clock.wall_time += minutes(i % 50 - 25);  // set by a time server
    EXPECT_EQ(time.earliest(), clock.wall_time);
    EXPECT_EQ(time.latest(), clock.wall_time);
    EXPECT_FALSE(time.doubt());
  }
}

TEST_F(TrustedTimeTest, a_month_ahead_for_a_minute_moves_nothing) {
  auto const before = time.earliest();
  clock.wall_time += month;
  clock.pass(minutes(1));

  EXPECT_EQ(time.earliest(), before + minutes(1));
  EXPECT_EQ(time.latest(), clock.wall_time);
  ASSERT_TRUE(time.doubt());
  EXPECT_EQ(time.doubt()->ahead, month);

  clock.wall_time -= month;
  EXPECT_EQ(time.earliest(), before + minutes(1));
  EXPECT_FALSE(time.doubt());
}

TEST_F(TrustedTimeTest, a_wall_that_falls_back_ends_nothing_early_and_makes_nothing_old) {
  auto const before = time.latest();
  clock.wall_time -= month;
  clock.pass(minutes(1));

  EXPECT_EQ(time.earliest(), clock.wall_time);
  EXPECT_EQ(time.latest(), before + minutes(1));
  EXPECT_EQ(time.doubt()->ahead, -month);
}

TEST_F(TrustedTimeTest, is_believed_once_it_has_stayed_for_hours) {
  static_cast<void>(time.earliest());
  clock.wall_time += month;
  ASSERT_TRUE(time.doubt());
  clock.pass(TrustedTime::confirm_after - minutes(1));
  ASSERT_TRUE(time.doubt());
  EXPECT_EQ(time.doubt()->left, minutes(1));

  clock.pass(minutes(1));

  EXPECT_FALSE(time.doubt());
  EXPECT_EQ(time.earliest(), clock.wall_time);
}

TEST_F(TrustedTimeTest, each_jump_begins_the_hours_anew) {
  static_cast<void>(time.earliest());
  for (int i = 0; i < 10; ++i) {
    clock.wall_time += hours(24);
    EXPECT_TRUE(time.doubt()) << i;
    clock.pass(TrustedTime::confirm_after - minutes(1));
    EXPECT_TRUE(time.doubt()) << i;
  }
}

TEST_F(TrustedTimeTest, is_believed_when_a_person_says_so) {
  static_cast<void>(time.earliest());
  clock.wall_time += month;
  ASSERT_TRUE(time.doubt());

  time.confirm();

  EXPECT_FALSE(time.doubt());
  EXPECT_EQ(time.earliest(), clock.wall_time);
}

TEST_F(TrustedTimeTest, begins_where_the_process_before_it_ended) {
  auto const stored = clock.wall_time - month;
  time.begin(stored);

  EXPECT_EQ(time.earliest(), stored);
  EXPECT_EQ(time.doubt()->ahead, month);
  clock.pass(hours(1));
  EXPECT_EQ(time.earliest(), stored + hours(1));
}

TEST_F(TrustedTimeTest, a_stored_time_that_is_later_than_the_wall_makes_nothing_old) {
  time.begin(clock.wall_time + month);

  EXPECT_EQ(time.earliest(), clock.wall_time);
  EXPECT_TRUE(time.doubt());
}

TEST_F(TrustedTimeTest, a_machine_that_slept_has_no_doubt) {
  static_cast<void>(time.earliest());
  clock.wall_time += hours(9);
  clock.suspended += hours(9);

  EXPECT_FALSE(time.doubt());
  EXPECT_EQ(time.earliest(), clock.wall_time);
}

}  // namespace
}  // namespace millrace::io
