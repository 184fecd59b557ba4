// The status of many data streams at once.
#include "delivery/dispatcher.h"
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

using ::testing::SizeIs;

class StatusesTest : public DispatcherTest {
 protected:
  // What statuses() says, and how often the loop had its turn until it was said.
  std::vector<StreamStatusRow> ask(std::vector<StreamId> ids) {
    auto const started = sim.start(dispatcher->statuses(std::move(ids)));
    turns = 0;
    while (!started.done() && sim.context().poll_one() > 0) ++turns;
    return std::move(started.value());
  }

  std::size_t turns = 0;
};

TEST_F(StatusesTest, are_those_of_each) {
  open({stream(1, {"grade_change"}), stream(2, {"*"}), stream(3, {"nothing"})});
  append(2, "grade_change");
  append(3, "quiz_submitted");
  sim.advance(1s);

  auto const all = ask({id(2), id(1), id(77), id(3)});

  ASSERT_THAT(all, SizeIs(3)) << "of a stream that is not here there is none";
  for (auto const& [stream, one] : all) {
    auto const alone = run(dispatcher->status(stream));
    EXPECT_EQ(one.counters.delivered, alone->counters.delivered);
    EXPECT_EQ(one.waiting, alone->waiting);
    EXPECT_EQ(one.last_success, alone->last_success);
  }
}

TEST_F(StatusesTest, of_many_take_few_visits_to_a_loop_and_leave_it_to_others_in_between) {
  constexpr std::uint64_t count = 1'000;
  std::vector<model::DataStream> streams;
  std::vector<StreamId> ids;
  for (std::uint64_t n = 1; n <= count; ++n) {
    streams.push_back(stream(n));
    ids.push_back(id(n));
  }
  open(std::move(streams));
  sim.advance(1s);

  auto const all = ask(std::move(ids));

  EXPECT_THAT(all, SizeIs(count));
  EXPECT_LE(turns, count / 10);
  EXPECT_GE(turns, count / 100);
}

}  // namespace
}  // namespace millrace::delivery
