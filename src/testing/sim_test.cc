#include "testing/sim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/sim_worker.h"

namespace millrace::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

io::Task<void> note_after(io::Clock& clock, Duration wait, int what, std::vector<int>& noted) {
  co_await clock.sleep_for(wait);
  noted.push_back(what);
}

io::Task<void> note_twice(io::Clock& clock, std::vector<SteadyTime>& at) {
  co_await clock.sleep_for(3s);
  at.push_back(clock.now());
  co_await clock.sleep_for(4s);
  at.push_back(clock.now());
}

io::Task<int> seven(io::Clock& clock) {
  co_await clock.sleep_for(0s);
  co_return 7;
}

TEST(SimTest, sleepers_wake_in_the_order_of_their_times) {
  Sim sim;
  std::vector<int> noted;

  sim.start(note_after(sim.clock(), 30s, 3, noted));
  sim.start(note_after(sim.clock(), 10s, 1, noted));
  sim.start(note_after(sim.clock(), 20s, 2, noted));
  sim.advance(25s);

  EXPECT_THAT(noted, ElementsAre(1, 2));
  sim.advance(5s);
  EXPECT_THAT(noted, ElementsAre(1, 2, 3));
}

TEST(SimTest, a_sleep_that_follows_a_sleep_happens_at_its_own_time) {
  Sim sim;
  std::vector<SteadyTime> at;
  auto const start = sim.clock().now();
  auto const wall = sim.clock().wall();

  sim.start(note_twice(sim.clock(), at));
  sim.advance(1h);

  EXPECT_THAT(at, ElementsAre(start + 3s, start + 7s));
  EXPECT_EQ(sim.clock().now(), start + 1h);
  EXPECT_EQ(sim.clock().wall(), wall + 1h);
}

TEST(SimTest, a_cancelled_sleeper_leaves_the_clock) {
  Sim sim;
  std::vector<int> noted;
  sim.start(note_after(sim.clock(), 30s, 1, noted));
  sim.settle();
  ASSERT_TRUE(sim.clock().next_wake());

  sim.cancel();
  sim.settle();

  EXPECT_FALSE(sim.clock().next_wake());
  sim.advance(1min);
  EXPECT_TRUE(noted.empty());
}

TEST(SimTest, a_task_gives_its_value) {
  Sim sim;

  EXPECT_EQ(sim.run(seven(sim.clock())), 7);
  EXPECT_EQ(sim.finish(seven(sim.clock())), 7);
}

TEST(SimTest, a_second_loop_is_turned_by_the_same_hand) {
  Sim sim;
  boost::asio::io_context other{1};
  sim.attach(other);
  int turns = 0;

  boost::asio::post(other, [&] { boost::asio::post(sim.context(), [&] { ++turns; }); });
  sim.settle();
  sim.detach(other);
  boost::asio::post(other, [&] { ++turns; });
  sim.settle();

  EXPECT_EQ(turns, 1);
}

TEST(SimTest, jobs_of_a_worker_take_simulated_time_and_keep_their_order) {
  Sim sim;
  Duration delay = 10ms;
  auto const worker = sim_worker(sim, [&] { return delay; });
  std::string done;

  worker->post([&] { done += "a"; });
  delay = 0ms;
  worker->post([&] { done += "b"; });
  sim.settle();
  EXPECT_EQ(done, "");
  sim.advance(10ms);
  EXPECT_EQ(done, "ab");
  worker->post([&] {
    worker->post([&] { done += "d"; });
    done += "c";
  });

  EXPECT_EQ(done, "abcd");
}

TEST(SimTest, chance_repeats_by_seed_or_is_constant) {
  Sim one(5), two(5), other(6);

  double const first = one.random().unit();

  EXPECT_EQ(first, two.random().unit());
  EXPECT_NE(first, other.random().unit());
  EXPECT_EQ(one.random(always(0.5)).unit(), 0.5);
  EXPECT_EQ(one.random(always(0)).unit(), 0);
}

TEST(SimTest, the_log_keeps_its_lines) {
  Sim sim;
  sim.log().info("attempt failed", {{"status", 503}});
  sim.log().debug("noise");

  EXPECT_THAT(sim.log().lines("attempt"), ElementsAre("attempt failed  status=503"));
  EXPECT_THAT(sim.log().lines("", LogLevel::error), ElementsAre());
}

}  // namespace
}  // namespace millrace::testing
