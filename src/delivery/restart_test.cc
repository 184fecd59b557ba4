// What survives: restarts, crashes, retention, a log that is read again.
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

using model::FailureClass;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

class RestartTest : public DispatcherTest {};

TEST_F(RestartTest, a_stopped_dispatcher_goes_on_where_it_stopped) {
  open({stream(1)});
  append(10);
  sim.advance(1s);
  stop();
  append(5);

  open({stream(1)});
  append(1);
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(16));
  EXPECT_THAT(endpoint(1)->got, SizeIs(16));
  EXPECT_EQ(status(1).counters.matched, 16);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(RestartTest, after_a_crash_nothing_is_lost_and_only_what_was_under_way_comes_twice) {
  settings.window = 16;
  open({stream(1), stream(2, {"quiz_submitted"})});
  endpoint(1)->takes = 20ms;
  std::size_t appended = 0;
  std::map<EventId, int> tries;
  std::size_t sent = 0;
  for (int life = 0; life < 20; ++life) {
    append(60);
    append(3, "quiz_submitted");
    appended += 63;
    sim.advance(Duration(37ms) * (life + 1));
    auto const old = endpoint(1);
    crash();
    for (auto const& got : old->got) ++tries[got.event];
    sent += old->got.size();
    endpoint(1)->got.clear();
    open({stream(1), stream(2, {"quiz_submitted"})});
  }

  sim.advance(1min);

  for (auto const& got : endpoint(1)->got) ++tries[got.event];
  sent += endpoint(1)->got.size();
  EXPECT_THAT(tries, SizeIs(appended));
  // 16 in flight and a checkpoint interval of 100 ms, in which 16 lanes of 20 ms settle 80 events, for each of 20 crashes.
  EXPECT_LE(sent - appended, 20 * (16 + 80));
  EXPECT_GT(sent, appended);  // or the crashes were none
  auto const now = status(1);
  EXPECT_EQ(now.counters.matched, appended);
  EXPECT_EQ(now.counters.delivered, appended);
  EXPECT_EQ(now.waiting, 0);
  EXPECT_EQ(status(2).counters.delivered, 60);
}

TEST_F(RestartTest, what_was_settled_beyond_the_cursor_is_not_sent_again) {
  settings.window = 8;
  open({stream(1)});
  endpoint(1)->takes = 10ms;
  append(40);
  sim.advance(1s);
  EventId slow{};
  endpoint(1)->answer = [](Entry const&) { return answered(200); };
  auto const ids = append(1);
  slow = ids[0];
  // One event hangs while others pass it.
  sim.advance(15ms);
  auto held = endpoint(1);
  held->takes = 10s;
  append(1);
  sim.advance(1ms);
  held->takes = 10ms;
  append(30);
  sim.advance(1s);
  ASSERT_EQ(held->under_way, 1);
  ASSERT_GE(store->most_settled_above, 20);

  crash();
  endpoint(1)->got.clear();
  open({stream(1)});
  sim.advance(20s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_EQ(status(1).counters.delivered, 72);
}

TEST_F(RestartTest, one_slow_answer_does_not_make_the_cursor_wait_for_ever) {
  open({stream(1)});
  endpoint(1)->takes = 1ms;
  append(100);
  sim.advance(1s);
  endpoint(1)->takes = 14s;
  append(1);
  sim.advance(1ms);
  endpoint(1)->takes = 1ms;
  for (int i = 0; i < 10; ++i) append(500);
  sim.advance(2s);
  ASSERT_EQ(endpoint(1)->under_way, 1);

  EXPECT_LE(store->most_settled_above, 1024);
  ASSERT_THAT(stored(1).retries, SizeIs(1));
  EXPECT_EQ(stored(1).retries[0].tried, 0);
  EXPECT_EQ(status(1).waiting, 1);
  EXPECT_EQ(status(1).retrying, 0);
  crash();
  endpoint(1)->got.clear();
  open({stream(1)});
  sim.advance(20s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_EQ(endpoint(1)->got[0].attempt, 1);
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_THAT(stored(1).retries, IsEmpty());
}

TEST_F(RestartTest, retries_survive_a_crash_with_their_count_and_time) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(3);
  sim.advance(125s);  // two tries each
  crash();
  endpoint(1)->got.clear();
  sim.advance(1min);

  open({stream(1)});
  sim.advance(1h);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(3));
  EXPECT_THAT(endpoint(1)->got, SizeIs(6));
  EXPECT_EQ(endpoint(1)->got[0].attempt, 3);
  EXPECT_EQ(endpoint(1)->got[0].at, 360s);
  EXPECT_THAT(undelivered(1), SizeIs(3));
}

TEST_F(RestartTest, no_event_is_tried_more_than_four_times_whatever_crashes) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(5);
  std::map<EventId, int> tries;
  for (int life = 0; life < 12; ++life) {
    sim.advance(100s);
    sim.advance(500ms);  // what was answered is stored
    auto const old = endpoint(1);
    crash();
    for (auto const& got : old->got) ++tries[got.event];
    endpoint(1)->got.clear();
    open({stream(1)});
  }
  sim.advance(1h);

  for (auto const& got : endpoint(1)->got) ++tries[got.event];
  EXPECT_THAT(tries, SizeIs(5));
  for (auto const& [event, count] : tries) EXPECT_EQ(count, 4);
  EXPECT_THAT(undelivered(1), SizeIs(5));
}

TEST_F(RestartTest, a_restart_counts_only_what_came_after_the_last_checkpoint) {
  open({stream(1, {"never"}), stream(2)});
  for (int i = 0; i < 5000; ++i) {
    append(1);
    if (i % 100 == 0) sim.advance(100ms);
  }
  sim.advance(1s);
  crash();

  open({stream(1, {"never"}), stream(2)});

  ASSERT_FALSE(store->summarised.empty());
  EXPECT_GT(store->summarised.front() + 4096 + 512, memory.range().next);
  EXPECT_EQ(status(2).counters.matched, 5000);
  EXPECT_EQ(status(1).counters.matched, 0);
}

TEST_F(RestartTest, events_behind_the_tail_are_read_from_the_store) {
  auto one = stream(1);
  one.state = model::StreamState::deactivated;
  auto sparse = stream(2, {"rare"});
  sparse.state = model::StreamState::deactivated;
  open({one, sparse});
  for (int i = 0; i < 400; ++i) {
    append(2, "grade_change", "root-1", 60'000);  // 48 MB in all: three times what the tail keeps
    if (i % 100 == 7) append(1, "rare");
  }

  one.state = sparse.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {})));
  ASSERT_TRUE(run(dispatcher->activate(sparse, {})));
  sim.advance(5s);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(804));
  EXPECT_THAT(endpoint(1)->got, SizeIs(804));
  EXPECT_THAT(endpoint(2)->got, SizeIs(4));
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_EQ(status(2).waiting, 0);
  EXPECT_GT(store->reads, 0);
}

TEST_F(RestartTest, a_start_on_a_full_disk_delivers_and_stores_its_progress_later) {
  open({stream(1)});
  append(3);
  sim.advance(1s);
  stop();
  memory.fail_checkpoints(1, {Fault::busy, "disk: no space"});
  expected_errors = 1;

  open({stream(1)});
  append(2);
  sim.advance(5s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(5));
  stop();
  EXPECT_EQ(run(memory.load_streams())->at(0).progress.counters.delivered, 5U);
}

TEST_F(RestartTest, a_failing_store_is_asked_again) {
  auto one = stream(1);
  one.state = model::StreamState::deactivated;
  open({one});
  for (int i = 0; i < 300; ++i) append(1, "grade_change", "root-1", 80'000);
  memory.fail_reads(3, {Fault::io, "disk: trouble"});

  one.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {})));
  sim.advance(10s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(300));
  EXPECT_THAT(sim.log().lines("log not readable"), SizeIs(Ge(1)));
}

TEST_F(RestartTest, what_retention_takes_before_it_is_delivered_is_counted_and_told) {
  auto one = stream(1, {"grade_change"});
  open({one});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(2);
  sim.advance(1s);  // two wait for their second try
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  auto const first = sim.clock().wall();
  append(10);
  append(5, "quiz_submitted");
  sim.advance(24h * 3);
  append(7);
  sim.advance(24h * 5);

  ASSERT_TRUE(run(memory.retain(sim.clock().wall())));
  append(1);
  sim.advance(1s);

  auto const now = status(1);
  EXPECT_EQ(now.counters.lost, 12);
  EXPECT_EQ(now.waiting, 8);
  EXPECT_LE(*now.lost_from, first);
  EXPECT_GE(*now.lost_to, first);
  EXPECT_LE(*now.lost_to, first + 24h * 3 + 1s);
  EXPECT_THAT(sim.log().lines("lost to retention", LogLevel::warning), SizeIs(1));

  endpoint(1)->answer = [](Entry const&) { return answered(200); };
  endpoint(1)->got.clear();
  one.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {})));
  sim.advance(1h);
  EXPECT_THAT(endpoint(1)->got, SizeIs(8));
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_EQ(stored(1).progress.counters.lost, 12);
}

TEST_F(RestartTest, retention_during_a_downtime_is_counted_at_the_next_start) {
  auto one = stream(1);
  one.state = model::StreamState::deactivated;
  open({one});
  append(10);
  sim.advance(1s);
  stop();
  sim.advance(24h * 8);
  append(2);
  ASSERT_TRUE(sim.run(memory.retain(sim.clock().wall())));

  one.state = model::StreamState::active;
  open({one});
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(2));
  EXPECT_EQ(status(1).counters.lost, 10);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(RestartTest, a_checkpoint_that_fails_is_made_again_with_all_that_it_had) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const& entry) {
    return entry.attempt < 4 ? answered(500) : answered(404);
  };
  append(4);
  sim.advance(839s);
  memory.fail_checkpoints(3, {Fault::busy, "disk: full"});
  sim.advance(1min);

  EXPECT_THAT(undelivered(1), SizeIs(4));
  EXPECT_EQ(ledger(1).undelivered_other, 4);
  EXPECT_EQ(ledger(1).attempts_failed, 16);
  EXPECT_THAT(stored(1).retries, IsEmpty());
  EXPECT_THAT(sim.log().lines("checkpoints fail"), SizeIs(1));
  EXPECT_THAT(sim.log().lines("checkpoints are stored again"), SizeIs(1));
  expected_errors = 1;
}

TEST_F(RestartTest, a_first_try_that_was_held_waits_for_a_log_that_cannot_be_read) {
  auto one = stream(1);
  settings.window = 2;
  open({one});
  endpoint(1)->entries = 4;
  ASSERT_TRUE(run(dispatcher->put(one)));
  endpoint(1)->takes = 1s;
  // Two sends of which each has several: while they are under way the lane is halted, so that the rest is held.
  endpoint(1)->entries = 1;
  append(20, "grade_change", "root-1", 60'000);
  sim.advance(500ms);
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  sim.advance(5s);
  for (int i = 0; i < 300; ++i) append(1, "quiz_submitted", "root-2", 80'000);  // the tail is gone
  memory.fail_reads(4, {Fault::io, "disk: trouble"});

  endpoint(1)->takes = {};
  one.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {})));
  sim.advance(1min);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(20));
  EXPECT_THAT(endpoint(1)->got, SizeIs(20));
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_EQ(status(1).counters.lost, 0);
  EXPECT_THAT(sim.log().lines("events are postponed"), SizeIs(1));
}

TEST_F(RestartTest, the_last_success_and_failure_are_known_after_a_restart) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const& entry) {
    return answered(entry.event_type == "bad" ? 500 : 200);
  };
  append(1);
  sim.advance(1s);
  append(1, "bad");
  sim.advance(1s);
  auto const before = status(1);
  ASSERT_TRUE(before.last_success);
  ASSERT_TRUE(before.last_failure);
  crash();

  open({stream(1)});

  EXPECT_EQ(status(1).last_success, before.last_success);
  EXPECT_EQ(status(1).last_failure, before.last_failure);
}

TEST_F(RestartTest, undelivered_sinks_when_the_store_lets_go_of_them) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(3);
  sim.advance(1h);
  EXPECT_EQ(status(1).undelivered, 3U);
  sim.advance(24h * 20);
  append(2);
  sim.advance(1h);
  EXPECT_EQ(status(1).undelivered, 5U);

  sim.advance(24h * 11);
  ASSERT_TRUE(run(memory.retain(sim.clock().wall())));
  sim.advance(10min);

  EXPECT_EQ(undelivered(1).size(), 2U);
  EXPECT_EQ(status(1).undelivered, 2U);
  EXPECT_EQ(status(1).counters.undelivered, 5U);
}

TEST_F(RestartTest, a_damaged_batch_is_counted_as_lost_and_the_rest_goes_on) {
  auto one = stream(1);
  one.state = model::StreamState::deactivated;
  open({one});
  append(3);
  append(4);
  append(5);
  sim.advance(1s);
  stop();
  memory.damage(memory.log()[1]->number);

  one.state = model::StreamState::active;
  open({one});
  append(1);
  sim.advance(5s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(9));
  EXPECT_EQ(status(1).counters.lost, 4);
  EXPECT_EQ(status(1).waiting, 0);
  expected_errors = 1;
}

TEST_F(RestartTest, a_stop_lets_sends_end_and_cuts_those_that_do_not) {
  settings.window = 4;
  open({stream(1), stream(2)});
  endpoint(1)->takes = 5s;
  endpoint(2)->takes = 1h;
  append(2);
  sim.advance(1s);

  stop(15s);

  EXPECT_THAT(memory.tried(), SizeIs(2));
  open({stream(1), stream(2)});
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_EQ(status(2).waiting, 2);
}

TEST_F(RestartTest, an_edit_that_was_stored_is_there_after_a_crash) {
  auto one = stream(1, {"grade_change"});
  open({one});
  endpoint(1)->takes = 1h;
  append(4);
  one.event_types = {"quiz_submitted"};
  ASSERT_TRUE(run(dispatcher->put(one)));
  append(6);
  append(3, "quiz_submitted");
  crash();
  endpoint(1)->got.clear();
  endpoint(1)->takes = {};

  open({one});
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(7));
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(RestartTest, a_stream_whose_lane_was_never_told_begins_where_its_record_says) {
  open({});
  append(2);
  auto const begins = memory.range().next;
  append(4);
  crash();

  open_desired({{.stream = stream(1), .start = begins, .filters = {{1, begins, {"*"}, "*"}}}});
  append(1);
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(5));
  EXPECT_EQ(status(1).counters.matched, 5);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(RestartTest, selections_that_a_lane_was_not_told_of_hold_from_their_batches) {
  auto one = stream(1, {"grade_change"});
  auto const account = one.account;
  open_desired({{.stream = one, .start = 1, .filters = {{1, 1, {"grade_change"}, account}}}});
  append(2);
  sim.advance(1s);
  auto const first = memory.range().next;
  crash();
  ASSERT_THAT(endpoint(1)->got, SizeIs(2));
  append(3, "quiz_submitted");
  auto const second = memory.range().next;
  append(5, "quiz_submitted");
  append(7);
  endpoint(1)->got.clear();

  one.event_types = {"grade_change"};
  open_desired({{.stream = one,
                 .start = 1,
                 .filters = {{1, 1, {"grade_change"}, account},
                             {2, first, {"quiz_submitted"}, account},
                             {3, second, {"grade_change"}, account}}}});
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(3 + 7));
  EXPECT_EQ(status(1).counters.matched, 12);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(RestartTest,
       an_activation_that_a_lane_was_not_told_of_passes_over_what_it_was_to_pass_over) {
  auto one = stream(1);
  auto const desired = [&](model::Resume resume) {
    return std::vector<model::DesiredStream>{
        {.stream = one, .start = 1, .filters = {{1, 1, {"*"}, one.account}}, .resume = resume}};
  };
  one.state = model::StreamState::deactivated;
  open_desired(desired({}));
  append(3);
  sim.advance(1s);
  model::Resume const from_now{.epoch = 1, .from_batch = memory.range().next};
  append(2);
  crash();

  one.state = model::StreamState::active;
  open_desired(desired(from_now));
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(2));
  EXPECT_EQ(status(1).counters.skipped, 3);
  EXPECT_EQ(stored(1).progress.applied.epoch, 1);

  // Once: what waits at a later start is not what that activation passed over.
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  append(4);
  sim.advance(1s);
  crash();
  one.state = model::StreamState::active;
  open_desired(desired({.epoch = 1, .from_batch = memory.range().next}));
  sim.advance(1s);
  EXPECT_EQ(status(1).counters.skipped, 3);
  EXPECT_EQ(status(1).counters.delivered, 2 + 4);
}

TEST_F(RestartTest, a_clock_that_is_set_moves_no_retry) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(1);
  sim.advance(1s);
  sim.clock().step_wall(-1h);
  sim.advance(200s);
  sim.clock().step_wall(3h);
  sim.advance(20min);

  // A start of the run that seems to lie far back only shortens the wait to its least.
  EXPECT_THAT(endpoint(1)->times(),
              ::testing::ElementsAre(0s, 120s, 360s, AllOf(Ge(720s), Le(840s))));
}

}  // namespace
}  // namespace millrace::delivery
