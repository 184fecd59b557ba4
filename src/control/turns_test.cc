#include "control/turns.h"

#include <gmock/gmock.h>

#include "testing/sim.h"

namespace millrace::control {
namespace {

using ::testing::ElementsAre;

io::Task<void> take_and_wait(Turns& turns, io::Clock& clock, std::string name, int what,
                             std::vector<int>& order) {
  auto const turn = co_await turns.take(std::move(name));
  order.push_back(what);
  co_await clock.sleep_for(std::chrono::seconds(1));
  order.push_back(-what);
}

TEST(TurnsTest, one_name_is_one_at_a_time_in_order_of_arrival) {
  testing::Sim sim;
  Turns turns;
  std::vector<int> order;

  for (int i = 1; i <= 3; ++i) sim.start(take_and_wait(turns, sim.clock(), "a", i, order));
  sim.advance(std::chrono::seconds(10));

  EXPECT_THAT(order, ElementsAre(1, -1, 2, -2, 3, -3));
}

TEST(TurnsTest, other_names_do_not_wait) {
  testing::Sim sim;
  Turns turns;
  std::vector<int> order;

  sim.start(take_and_wait(turns, sim.clock(), "a", 1, order));
  sim.start(take_and_wait(turns, sim.clock(), "b", 2, order));
  sim.settle();

  EXPECT_THAT(order, ElementsAre(1, 2));
  sim.advance(std::chrono::seconds(1));
}

TEST(TurnsTest, who_is_cancelled_lets_the_next_one_go) {
  testing::Sim sim;
  Turns turns;
  std::vector<int> order;
  {
    io::TaskScope cancelled(sim.executor());
    cancelled.start(take_and_wait(turns, sim.clock(), "a", 1, order));
    sim.settle();
    sim.start(take_and_wait(turns, sim.clock(), "a", 2, order));
    sim.settle();

    cancelled.cancel();
    sim.settle();
  }

  EXPECT_THAT(order, ElementsAre(1, 2));
  sim.advance(std::chrono::seconds(1));
}

}  // namespace
}  // namespace millrace::control
