// How much lanes work, not only what comes of it: over simulated hours, wakes, looks for work, reads and rows are counted.
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

using model::FailureClass;

class WorkTest : public DispatcherTest {
 protected:
  struct Work {
    std::uint64_t timers = 0, wakes = 0, pumps = 0, checkpoints = 0, rows = 0, reads = 0;
  };
  Work so_far() const {
    auto const meters = dispatcher->meters();
    return {meters.timers, meters.wakes,
            meters.pumps,  static_cast<std::uint64_t>(store->checkpoints),
            store->rows,   static_cast<std::uint64_t>(store->reads)};
  }
  // What `span` costs.
  Work during(Duration span) {
    auto const before = so_far();
    sim.advance(span);
    auto const after = so_far();
    return {after.timers - before.timers, after.wakes - before.wakes,
            after.pumps - before.pumps,   after.checkpoints - before.checkpoints,
            after.rows - before.rows,     after.reads - before.reads};
  }
  static void expect_nothing(Work const& work) {
    EXPECT_EQ(work.timers, 0U);
    EXPECT_EQ(work.wakes, 0U);
    EXPECT_EQ(work.pumps, 0U);
    EXPECT_EQ(work.checkpoints, 0U);
    EXPECT_EQ(work.reads, 0U);
  }
  model::DataStream limited(std::uint64_t n, double rate) {
    auto one = stream(n);
    one.rate_limit = rate;
    return one;
  }
  void fail(std::uint64_t n) {
    endpoint(n)->answer = [](Entry const&) { return answered(500); };
  }
  void work(std::uint64_t n) {
    endpoint(n)->answer = [](Entry const&) { return answered(200); };
  }
};

TEST_F(WorkTest, streams_that_nothing_comes_for_cost_nothing) {
  std::vector<model::DataStream> streams;
  for (std::uint64_t n = 1; n <= 1000; ++n) streams.push_back(limited(n, 5));
  open(std::move(streams));
  append(10);
  sim.advance(1min);

  expect_nothing(during(5h));
}

TEST_F(WorkTest, a_rate_limited_stream_with_an_event_in_retry_wakes_once_for_each_try) {
  fail(1);
  open({limited(1, 20)});
  append(1);
  sim.advance(1s);
  work(1);
  append(2000);  // 100 s at its rate, beside the retry

  auto const busy = during(100s);
  auto const quiet = during(20min);

  EXPECT_EQ(status(1).counters.delivered, 2001U);
  // 20 tries a second; a wake-up serves one of them.
  EXPECT_LE(busy.wakes, 2000U + 20);
  EXPECT_LE(busy.timers, 2000U + 20);
  EXPECT_LE(busy.pumps, 3 * 2000U + 20);
  EXPECT_LE(quiet.wakes, 10U);
  EXPECT_LE(quiet.timers, 10U);
}

TEST_F(WorkTest, an_event_in_retry_costs_a_rate_limited_stream_nothing_while_it_waits) {
  fail(1);
  open({limited(1, 5)});
  for (int i = 0; i < 20; ++i) {
    append(3);  // again and again: each asks for a wake-up of its own
    sim.advance(3s);
  }
  work(1);

  auto const hours = during(2h);

  EXPECT_EQ(status(1).waiting, 0U);
  EXPECT_LE(hours.wakes, 200U);
  EXPECT_LE(hours.timers, 200U);
}

TEST_F(WorkTest, a_held_stream_wakes_for_its_retry_after_and_no_more) {
  open({limited(1, 5)});
  endpoint(1)->answer = [](Entry const&) { return answered(503, 290s); };
  append(1);
  sim.advance(1s);
  append(100);
  work(1);

  auto const held = during(4min);

  EXPECT_EQ(endpoint(1)->got.size(), 1U);
  EXPECT_LE(held.wakes, 2U);
  EXPECT_LE(held.timers, 2U);
}

TEST_F(WorkTest, a_deactivated_stream_with_retries_costs_nothing) {
  fail(1);
  auto one = limited(1, 5);
  open({one});
  append(50);
  sim.advance(1min);
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  sim.advance(10min);

  expect_nothing(during(5h));
}

TEST_F(WorkTest, a_failing_stream_costs_its_tries_and_their_rows) {
  fail(1);
  open({limited(1, 10)});
  append(1000);

  auto const hours = during(2h);

  EXPECT_EQ(endpoint(1)->got.size(), 4000U);
  EXPECT_LE(hours.wakes, 4000U + 100);
  EXPECT_LE(hours.timers, 4000U + 100);
  // A row for each of three retries, its end, the undelivered event; and one of progress for each checkpoint.
  EXPECT_LE(hours.rows, 5000U + 2 * hours.checkpoints);
  EXPECT_LE(hours.checkpoints, 4000U + 10);
}

TEST_F(WorkTest, many_streams_with_retries_share_timers) {
  std::vector<model::DataStream> streams;
  for (std::uint64_t n = 1; n <= 200; ++n) {
    fail(n);
    streams.push_back(n % 2 == 0 ? limited(n, 3) : stream(n));
  }
  open(std::move(streams));
  append(5);

  auto const hour = during(1h);

  for (std::uint64_t n = 1; n <= 200; ++n) EXPECT_EQ(endpoint(n)->got.size(), 20U);
  EXPECT_LE(hour.wakes, 200U * 20 + 200);
  EXPECT_LE(hour.timers, 400U);
}

}  // namespace
}  // namespace millrace::delivery
