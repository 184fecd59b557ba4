// What the log says of endpoints that fail, and of this process when it did not run.
#include "delivery/dispatcher_fixture.h"
#include "delivery/stall_watch.h"

namespace millrace::delivery {
namespace {

using model::FailureClass;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ToldTest : public DispatcherTest {
 protected:
  std::vector<std::string> begins() { return sim.log().lines("begins to fail", LogLevel::info); }
  std::vector<std::string> ends() { return sim.log().lines("works again", LogLevel::info); }
};

TEST_F(ToldTest, an_endpoint_that_fails_has_one_line_when_it_begins_and_one_when_it_is_over) {
  std::vector<model::DataStream> streams;
  for (std::uint64_t n = 1; n <= 9; ++n) {
    streams.push_back(stream(n));
    endpoint(n)->answer = [](Entry const&) { return answered(500); };
  }
  open(std::move(streams));
  for (int second = 0; second < 12 * 60; ++second) {
    append(1);
    sim.advance(1s);
  }
  EXPECT_THAT(begins(), SizeIs(9));
  EXPECT_THAT(begins(), Each(HasSubstr("class=http  status=500")));
  EXPECT_THAT(ends(), IsEmpty());

  for (std::uint64_t n = 1; n <= 9; ++n)
    endpoint(n)->answer = [](Entry const&) { return answered(200); };
  for (int minute = 0; minute < 30; ++minute) {
    append(1);
    sim.advance(1min);
  }

  EXPECT_THAT(begins(), SizeIs(9));
  EXPECT_THAT(ends(), SizeIs(9));
  EXPECT_THAT(sim.log().lines("", LogLevel::info), SizeIs(18)) << "and no other";
  EXPECT_THAT(sim.log().lines("attempt failed"),
              SizeIs(memory.tried().size() - 9 * status(1).counters.delivered))
      << "each attempt is told at debug";
}

TEST_F(ToldTest, an_endpoint_that_fails_now_and_then_does_not_fill_the_log) {
  int asked = 0;
  endpoint(1)->answer = [&](Entry const&) { return answered(++asked % 2 == 0 ? 500 : 200); };
  open({stream(1)});
  for (int second = 0; second < 3600; ++second) {
    append(4);
    sim.advance(1s);
  }

  EXPECT_LE(sim.log().lines("", LogLevel::info).size(), 2U);
}

TEST_F(ToldTest, an_outage_that_is_over_is_told_at_the_first_retry) {
  endpoint(1)->answer = [](Entry const& entry) { return answered(entry.attempt == 1 ? 500 : 200); };
  open({stream(1)});
  append(1);
  sim.advance(5min);

  EXPECT_THAT(begins(), SizeIs(1));
  EXPECT_THAT(ends(),
              ElementsAre(AllOf(HasSubstr("failed_attempts=1"), HasSubstr("failing_s=120"))));
}

// ---- a process that did not run

class StallTest : public DispatcherTest {
 protected:
  // Nothing runs for so long; then all that is due comes at once.
  void stop_process(Duration span) {
    sim.clock().move_to(sim.clock().now() + std::chrono::duration_cast<SteadyTime::duration>(span));
    sim.settle();
  }
  std::vector<int> attempts() {
    std::vector<int> all;
    for (auto const& one : endpoint(1)->got) all.push_back(one.attempt);
    return all;
  }
};

TEST_F(StallTest, a_stop_of_the_process_burns_no_try) {
  endpoint(1)->takes = 15s;
  endpoint(1)->answer = [](Entry const&) { return troubled(FailureClass::timeout); };
  open({stream(1)});
  append(1);
  sim.advance(2500ms);

  stop_process(20s);
  sim.advance(12s);
  EXPECT_THAT(attempts(), ElementsAre(1, 1));
  EXPECT_EQ(ledger(1).attempts_failed, 0U);
  ASSERT_THAT(memory.tried(), SizeIs(1));
  EXPECT_EQ(memory.tried()[0].failure, FailureClass::own_side);
  EXPECT_THAT(memory.tried()[0].reason, HasSubstr("this process did not run for 19 s"));

  sim.advance(1h);
  EXPECT_THAT(attempts(), ElementsAre(1, 1, 2, 3, 4)) << "after it, timeouts count as ever";
  EXPECT_EQ(ledger(1).attempts_failed, 4U);
}

TEST_F(StallTest, a_connection_that_broke_while_the_process_stood_burns_no_try) {
  endpoint(1)->takes = 4s;
  endpoint(1)->answer = [](Entry const&) { return troubled(FailureClass::connect); };
  open({stream(1)});
  append(1);
  sim.advance(1500ms);

  stop_process(1h);
  sim.advance(12s);

  EXPECT_THAT(attempts(), ElementsAre(1, 1));
}

TEST_F(StallTest, a_machine_that_slept_burns_no_try_though_only_the_wall_clock_went_on) {
  endpoint(1)->takes = 5s;
  endpoint(1)->answer = [](Entry const&) { return troubled(FailureClass::connect); };
  open({stream(1)});
  append(1);
  sim.advance(1500ms);

  sim.clock().step_wall(8h);
  sim.advance(16s);

  EXPECT_THAT(attempts(), ElementsAre(1, 1));
}

TEST_F(StallTest, what_was_answered_counts_whatever_the_process_did) {
  endpoint(1)->takes = 15s;
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  open({stream(1)});
  append(1);
  sim.advance(2500ms);

  stop_process(20s);
  sim.advance(3min);

  EXPECT_THAT(attempts(), ElementsAre(1, 2));
}

TEST_F(StallTest, a_stop_while_nothing_is_under_way_changes_nothing) {
  endpoint(1)->answer = [](Entry const&) { return troubled(FailureClass::timeout); };
  open({stream(1)});
  append(1);
  sim.advance(10s);

  stop_process(1h);
  sim.advance(1h);

  EXPECT_THAT(attempts(), ElementsAre(1, 2, 3, 4));
}

TEST(StallWatchTest, forgets_stalls_that_ended_before_a_send_began) {
  StallWatch watch;
  auto const at = [](Duration since) {
    return StallWatch::Moment{SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(since)),
                              WallTime(since)};
  };
  EXPECT_EQ(watch.lost(at(0s).steady, at(1h)), 0s) << "no beat is expected";
  watch.begin(at(0s));
  watch.beat(at(1s));
  watch.beat(at(3500ms));  // a busy machine
  EXPECT_EQ(watch.lost(at(0s).steady, at(4s)), 0s);
  EXPECT_EQ(watch.lost(at(0s).steady, at(24500ms)), 20s) << "before its beat has come";
  watch.beat(at(24500ms));
  EXPECT_EQ(watch.lost(at(2s).steady, at(25s)), 20s);
  EXPECT_EQ(watch.lost(at(24600ms).steady, at(25s)), 0s);
}

}  // namespace
}  // namespace millrace::delivery
