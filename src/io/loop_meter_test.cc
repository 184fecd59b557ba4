#include "io/loop_meter.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace::io {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// Both move only when a handler moves them.
struct MovedClocks final : LoopClocks {
  Duration now() const override { return wall; }
  Duration cpu() const override { return ++asked, used; }
  void work(Duration span) { wall += span, used += span; }

  Duration wall{}, used{};
  mutable int asked = 0;
};

class LoopMeterTest : public ::testing::Test {
 protected:
  void run() {
    context.restart();
    run_measured(context, meter, clocks);
  }
  std::uint64_t handlers() const {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i <= Histogram::bounds.size(); ++i) all += meter.spans().bucket(i);
    return all;
  }

  asio::io_context context{1};
  LoopMeter meter;
  MovedClocks clocks;
};

TEST_F(LoopMeterTest, tells_the_longest_handler_once) {
  for (auto const span : {microseconds(20), microseconds(7000), microseconds(300)})
    asio::post(context, [&, span] { clocks.work(span); });

  run();

  EXPECT_EQ(handlers(), 3U);
  EXPECT_EQ(meter.take_longest(), milliseconds(7));
  EXPECT_EQ(meter.take_longest(), Duration::zero()) << "since the last question";
  EXPECT_DOUBLE_EQ(meter.spans().sum_seconds(), 0.00732);
}

TEST_F(LoopMeterTest, does_not_charge_what_other_processes_took) {
  asio::post(context, [&] { clocks.work(microseconds(100)); });
  asio::post(context, [&] {
    clocks.work(milliseconds(2));
    clocks.wall += milliseconds(50);
  });
  asio::post(context, [&] { clocks.work(microseconds(100)); });

  run();

  // What ran before, since the thread's clock was last asked, is counted in.
  EXPECT_GE(meter.take_longest(), milliseconds(2));
  EXPECT_LE(meter.spans().sum_seconds(), 0.0024);
}

TEST_F(LoopMeterTest, does_not_count_what_a_loop_waits) {
  auto const work = asio::make_work_guard(context);
  std::jthread const other([&] {
    asio::post(context, [&] {
      clocks.wall += milliseconds(500);  // waited for, or taken by others
      clocks.work(milliseconds(3));
      context.stop();
    });
  });

  run();

  EXPECT_LE(meter.take_longest(), milliseconds(3));
}

TEST_F(LoopMeterTest, asks_the_threads_clock_seldom) {
  for (int i = 0; i < 1000; ++i) asio::post(context, [&] { clocks.work(microseconds(10)); });

  run();

  EXPECT_EQ(handlers(), 1000U);
  EXPECT_LE(clocks.asked, 20);
}

TEST_F(LoopMeterTest, runs_what_real_clocks_measure) {
  int ran = 0;
  asio::post(context, [&] { ++ran; });

  run_measured(context, meter);

  EXPECT_EQ(ran, 1);
  EXPECT_EQ(handlers(), 1U);
}

}  // namespace
}  // namespace millrace::io
