// Endpoints that are bad over many events rather than within one answer. docs/hostile.md has the list.
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

using ::testing::SizeIs;

class HostileEndpointTest : public DispatcherTest {};

TEST_F(HostileEndpointTest, four_connections_and_no_more_bring_the_window_down) {
  settings.window = 64;
  open({stream(1)});
  endpoint(1)->takes = 100ms;
  endpoint(1)->answer = [&](Entry const&) {
    auto outcome = answered(200);
    outcome.crowded = endpoint(1)->under_way > 4;
    return outcome;
  };
  append(3000);
  sim.advance(10s);
  endpoint(1)->most_under_way = 0;

  sim.advance(20s);

  EXPECT_LE(endpoint(1)->most_under_way, 6);
  EXPECT_GE(endpoint(1)->most_under_way, 4);
  sim.advance(2min);
  EXPECT_EQ(status(1).counters.delivered, 3000);
  EXPECT_THAT(endpoint(1)->got, SizeIs(3000));
}

TEST_F(HostileEndpointTest, a_poison_event_is_undelivered_alone) {
  open({stream(1)});
  std::vector<EventId> poison;
  endpoint(1)->takes = 10ms;  // so that what is appended is known when it is judged
  endpoint(1)->answer = [&](Entry const& entry) {
    return answered(std::ranges::find(poison, entry.event) == poison.end() ? 200 : 500);
  };
  for (int i = 0; i < 3; ++i) {
    auto const ids = append(1000);
    poison.push_back(ids[499]);
  }

  sim.advance(1min);
  auto const soon = status(1);
  sim.advance(1h);
  auto const late = status(1);

  EXPECT_EQ(soon.counters.delivered, 2997);
  EXPECT_EQ(soon.retrying, 3);
  EXPECT_EQ(late.counters.undelivered, 3);
  EXPECT_EQ(late.waiting, 0);
  auto const tries = endpoint(1)->tries();
  for (auto const& [event, count] : tries)
    EXPECT_EQ(count, std::ranges::find(poison, event) == poison.end() ? 1 : 4);
  EXPECT_EQ(ledger(1).undelivered_other, 3);
}

TEST_F(HostileEndpointTest, one_that_fails_every_other_time_costs_what_four_failures_in_a_row_are) {
  open({stream(1)});
  testing::SeededRandom chance(7);
  endpoint(1)->answer = [&](Entry const&) { return answered(chance.unit() < 0.5 ? 500 : 200); };

  append(1600);
  sim.advance(1h);
  auto const now = status(1);

  EXPECT_EQ(now.counters.delivered + now.counters.undelivered, 1600);
  EXPECT_GE(now.counters.undelivered, 70);  // 100 are to be expected
  EXPECT_LE(now.counters.undelivered, 130);
  EXPECT_EQ(ledger(1).undelivered_other, now.counters.undelivered);
  endpoint(1)->answer = [](Entry const&) { return answered(200); };
  endpoint(1)->got.clear();
  append(10);
  sim.advance(1s);
  EXPECT_THAT(endpoint(1)->got, SizeIs(10));
}

TEST_F(HostileEndpointTest, gone_is_a_failure_like_others) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(410); };

  auto const ids = append(1);
  sim.advance(1h);

  EXPECT_EQ(endpoint(1)->tries()[ids[0]], 4);
  EXPECT_EQ(ledger(1).undelivered_other, 1);
}

}  // namespace
}  // namespace millrace::delivery
