#include "http/turns.h"

#include <gmock/gmock.h>

#include "testing/sim.h"

namespace millrace::http {
namespace {

using ::testing::ElementsAre;

class TurnsTest : public ::testing::Test {
 protected:
  static io::Task<void> take(Turns turns, int steps, std::vector<int>& order, int name) {
    for (int i = 0; i < steps; ++i) {
      co_await turns.next();
      order.push_back(name);
    }
  }
  // Notes itself at each turn of the loop.
  static void beat(io::Executor const& loop, std::vector<int>& order, int left) {
    order.push_back(0);
    if (left > 1) io::asio::post(loop, [&, left] { beat(loop, order, left - 1); });
  }

  testing::Sim sim;
  io::Executor loop = sim.executor();
  Turns turns{loop};
  std::vector<int> order;
};

TEST_F(TurnsTest, come_in_the_order_of_asking) {
  sim.start(take(turns, 2, order, 1));
  sim.start(take(turns, 2, order, 2));
  sim.start(take(turns, 1, order, 3));
  sim.settle();

  EXPECT_THAT(order, ElementsAre(1, 2, 3, 1, 2));
}

TEST_F(TurnsTest, leave_the_loop_to_others_between_any_two) {
  for (int name = 1; name <= 50; ++name) sim.start(take(turns, 1, order, name));
  beat(loop, order, 50);
  sim.settle();

  ASSERT_EQ(order.size(), 100U);
  for (std::size_t i = 1; i < 60; ++i)
    EXPECT_TRUE(order[i] == 0 || order[i - 1] == 0) << "two steps at once, at " << i;
}

TEST_F(TurnsTest, who_goes_away_holds_no_turn) {
  {
    io::TaskScope scope(loop);
    scope.start(take(turns, 1, order, 1));
    scope.start(take(turns, 1, order, 2));
    sim.start(take(turns, 1, order, 3));
    io::asio::post(loop, [&] { scope.cancel(); });
    sim.settle();
    EXPECT_EQ(scope.running(), 0U);
  }
  EXPECT_EQ(order.back(), 3);
  order.clear();

  sim.run(take(turns, 1, order, 4));
  EXPECT_THAT(order, ElementsAre(4));
}

TEST_F(TurnsTest, outlive_their_owner_where_somebody_waits) {
  auto mine = std::make_unique<Turns>(loop);
  auto const waiting = sim.start(take(*mine, 1, order, 1));
  mine.reset();
  sim.settle();

  EXPECT_TRUE(waiting.done());
}

}  // namespace
}  // namespace millrace::http
