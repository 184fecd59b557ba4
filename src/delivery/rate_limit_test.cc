#include <algorithm>

#include "delivery/dispatcher_fixture.h"
#include "delivery/token_bucket.h"

namespace millrace::delivery {
namespace {

SteadyTime at(Duration since) { return SteadyTime(std::chrono::hours(24 * 365) + since); }

// ---- the bucket by itself

TEST(TokenBucketTest, without_a_rate_there_is_no_limit) {
  TokenBucket bucket({}, at(0s));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(bucket.take(at(0s)));
  EXPECT_EQ(bucket.next(at(5s)), at(5s));
}

TEST(TokenBucketTest, gives_a_second_at_once_then_its_rate) {
  for (double const rate : {0.1, 1.0, 3.0, 7.3, 100.0, 99'999.0}) {
    TokenBucket bucket(rate, at(0s));
    auto now = at(0s);
    std::int64_t given = 0;
    int asked = 0;
    for (; now < at(100s); ++asked) {
      while (bucket.take(now)) ++given;
      auto const next = bucket.next(now);
      ASSERT_GT(next, now) << "asking again at once would be a busy loop";
      now = next;
    }
    auto const most = std::max(1.0, rate) + rate * 100;
    EXPECT_LE(static_cast<double>(given), most + 0.01) << rate;
    EXPECT_GE(static_cast<double>(given), most - std::max(1.0, rate / 100) - 0.01) << rate;
    EXPECT_LE(asked, 100 * 101) << "at most 100 a second, whatever the rate";
  }
}

TEST(TokenBucketTest, what_is_not_used_is_kept_for_one_second_only) {
  TokenBucket bucket(10, at(0s));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(bucket.take(at(0s)));
  EXPECT_FALSE(bucket.take(at(0s)));
  int given = 0;
  while (bucket.take(at(24h))) ++given;
  EXPECT_EQ(given, 10);
  bucket.give_back();
  EXPECT_TRUE(bucket.take(at(24h)));
  EXPECT_FALSE(bucket.take(at(24h)));
}

TEST(TokenBucketTest, a_lane_that_is_woken_late_loses_nothing) {
  for (double const rate : {0.1, 0.7, 0.95, 1.0, 1.1, 20.0}) {
    TokenBucket bucket(rate, at(0s));
    auto now = at(0s);
    int given = 0, at_once = 0;
    while (now < at(1000s)) {
      int here = 0;
      while (bucket.take(now)) ++here;
      given += here;
      if (now > at(0s)) at_once = std::max(at_once, here);
      now = bucket.next(now) + 90ms;
    }
    EXPECT_NEAR(given, std::max(1.0, rate) + 1000 * rate, 1 + rate * 0.2) << rate;
    EXPECT_LE(at_once, 1 + static_cast<int>(rate / 5)) << rate;
  }
}

TEST(TokenBucketTest, another_rate_brings_no_burst_of_its_own) {
  TokenBucket bucket(10, at(0s));
  while (bucket.take(at(0s))) {
  }
  bucket.change(1000, at(0s));
  EXPECT_FALSE(bucket.take(at(0s)));
  bucket.change(0.5, at(10s));
  EXPECT_TRUE(bucket.take(at(10s)));
  EXPECT_FALSE(bucket.take(at(10s)));
  bucket.change({}, at(10s));
  EXPECT_TRUE(bucket.take(at(10s)));
}

// ---- a lane that is held to it

class RateLimitTest : public DispatcherTest {
 protected:
  model::DataStream limited(std::uint64_t n, double rate) {
    auto one = stream(n);
    one.rate_limit = rate;
    return one;
  }
  std::size_t sent(std::uint64_t n) { return endpoint(n)->got.size(); }
};

TEST_F(RateLimitTest, tries_begin_at_the_rate_and_nothing_is_lost) {
  open({limited(1, 5), stream(2)});
  sim.advance(10s);
  auto const ids = append(1000);

  for (int minute = 1; minute <= 3; ++minute) {
    sim.advance(1min);
    EXPECT_EQ(sent(1), 5 + static_cast<std::size_t>(minute) * 300);
    EXPECT_TRUE(status(1).rate_limited) << "what waits, waits for the limit";
    EXPECT_EQ(status(1).waiting, 1000 - sent(1));
  }
  sim.advance(1min);

  EXPECT_EQ(sent(1), 1000U);
  EXPECT_EQ(endpoint(1)->tries().size(), 1000U);
  EXPECT_FALSE(status(1).rate_limited);
  EXPECT_EQ(sent(2), 1000U);
  EXPECT_EQ(endpoint(2)->got.back().at, endpoint(2)->got.front().at) << "others are not held";
}

TEST_F(RateLimitTest, slow_answers_and_a_large_window_change_nothing) {
  endpoint(1)->takes = 3s;  // 30 are under way at a time, once the window has grown
  open({limited(1, 10)});
  append(4000);
  sim.advance(2min);
  EXPECT_LE(sent(1), 10 + 1200U);
  auto const before = sent(1);

  sim.advance(3min);

  EXPECT_EQ(sent(1), before + 1800U);
  // No second has more than two seconds' worth: one that had gathered, and its own.
  auto const times = endpoint(1)->times();
  for (std::size_t i = 0; i + 20 < times.size(); ++i)
    EXPECT_GT(times[i + 20] - times[i], 999ms) << i;
}

TEST_F(RateLimitTest, retries_count) {
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  open({limited(1, 0.5)});
  append(200);

  sim.advance(10min);

  EXPECT_EQ(sent(1), 1 + 300U) << "first tries and later ones together";
  EXPECT_LT(endpoint(1)->tries().size(), 200U);
  sim.advance(1h);
  EXPECT_EQ(sent(1), 800U);
  EXPECT_EQ(undelivered(1).size(), 200U);
}

TEST_F(RateLimitTest, a_rate_below_one_sends_one_then_waits) {
  open({limited(1, 0.1)});
  append(10);

  sim.advance(9s);
  EXPECT_EQ(sent(1), 1U);
  sim.advance(51s);
  EXPECT_EQ(sent(1), 7U);
}

TEST_F(RateLimitTest, an_edit_takes_effect_at_once) {
  auto one = limited(1, 0.1);
  open({one});
  append(1000);
  sim.advance(1s);
  EXPECT_EQ(sent(1), 1U);

  one.rate_limit = 100;
  ASSERT_TRUE(run(dispatcher->put(one)));
  auto const before = sent(1);
  sim.advance(1s);
  EXPECT_NEAR(static_cast<double>(sent(1) - before), 100, 2);
  one.rate_limit = std::nullopt;
  ASSERT_TRUE(run(dispatcher->put(one)));
  sim.advance(100ms);
  EXPECT_EQ(sent(1), 1000U);
}

TEST_F(RateLimitTest, a_stop_in_between_loses_nothing) {
  open({limited(1, 5)});
  append(50);
  sim.advance(2s);
  stop();
  auto const before = sent(1);
  EXPECT_LT(before, 50U);

  open({limited(1, 5)});
  sim.advance(1min);

  EXPECT_EQ(endpoint(1)->tries().size(), 50U);
}

TEST_F(RateLimitTest, a_lane_that_waits_long_keeps_no_piece_of_the_log) {
  open({limited(1, 1)});
  for (int i = 0; i < 3000; ++i) append(2, "grade_change", "root-1", 8 * 1024);
  sim.advance(10s);
  auto const reads = store->reads;

  sim.advance(10s);

  EXPECT_GE(store->reads, reads + 9) << "read again for each";
  EXPECT_EQ(sent(1), 21U);
}

TEST_F(RateLimitTest, a_crowded_path_halves_the_window_and_fails_nothing) {
  bool crowded = true;
  endpoint(1)->takes = 1s;
  endpoint(1)->answer = [&](Entry const&) {
    auto outcome = answered(204);
    outcome.crowded = crowded;
    return outcome;
  };
  open({stream(1)});
  append(500);
  sim.advance(20s);
  EXPECT_EQ(sent(1), 2U + 20U) << "one at a time";
  EXPECT_EQ(status(1).counters.delivered, 21U);
  EXPECT_EQ(status(1).retrying, 0U);
  EXPECT_FALSE(status(1).last_failure);

  crowded = false;
  sim.advance(1min);

  EXPECT_GT(endpoint(1)->most_under_way, 4U);
  EXPECT_EQ(status(1).counters.undelivered, 0U);
}

}  // namespace
}  // namespace millrace::delivery
