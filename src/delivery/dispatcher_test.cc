#include "delivery/dispatcher.h"

#include "delivery/dispatcher_fixture.h"
#include "delivery/on_loop.h"

namespace millrace::delivery {
namespace {

using model::FailureClass;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

TEST_F(DispatcherTest, delivers_what_a_stream_selects_and_nothing_else) {
  open({stream(1, {"grade_change"}), stream(2, {"*"}), stream(3, {"course_created"})});

  auto const grades = append(3, "grade_change");
  append(2, "quiz_submitted");
  append(4, "grade_change", "root-2");
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(3));
  EXPECT_EQ(endpoint(1)->got[0].event, grades[0]);
  EXPECT_EQ(endpoint(1)->got[0].type, "grade_change");
  EXPECT_EQ(endpoint(1)->got[0].content_type, "application/json");
  EXPECT_EQ(endpoint(1)->got[0].body, memory.payloads()[0]);
  EXPECT_THAT(endpoint(2)->got, SizeIs(5));
  EXPECT_THAT(endpoint(3)->got, IsEmpty());
  auto const now = status(1);
  EXPECT_EQ(now.waiting, 0);
  EXPECT_EQ(now.counters.matched, 3);
  EXPECT_EQ(now.counters.delivered, 3);
  EXPECT_EQ(stored(1).progress.cursor, (store::Position{memory.range().next, 0}));
  EXPECT_EQ(ledger(1).delivered, 3);
  EXPECT_THAT(memory.tried(), SizeIs(8));
}

TEST_F(DispatcherTest, a_stream_of_every_account_gets_every_account) {
  auto all = stream(1);
  all.account = "*";
  open({all});

  append(1, "grade_change", "root-1");
  append(1, "grade_change", "root-2");
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(2));
}

TEST_F(DispatcherTest, a_new_stream_begins_at_the_head) {
  append(5);
  open({stream(1)});
  ASSERT_TRUE(run(dispatcher->put(stream(2))));

  append(1);
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_THAT(endpoint(2)->got, SizeIs(1));
}

TEST_F(DispatcherTest, waits_longer_after_each_failure_then_delivers) {
  open({stream(1)});
  int tries = 0;
  endpoint(1)->answer = [&](Entry const&) { return answered(++tries < 3 ? 500 : 200); };

  append(1);
  sim.advance(20min);

  EXPECT_THAT(endpoint(1)->times(), ElementsAre(0s, 120s, 360s));
  EXPECT_EQ(endpoint(1)->got[2].attempt, 3);
  EXPECT_THAT(memory.tried(), SizeIs(3));
  EXPECT_EQ(memory.tried()[0].outcome, model::AttemptOutcome::waiting);
  EXPECT_EQ(memory.tried()[2].outcome, model::AttemptOutcome::delivered);
  EXPECT_THAT(stored(1).retries, IsEmpty());
  EXPECT_EQ(ledger(1), (store::LedgerMinute{.delivered = 1, .attempts_failed = 2}));
}

TEST_F(DispatcherTest, after_four_tries_an_event_is_undelivered_and_kept) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const& entry) {
    return entry.attempt < 4 ? answered(500) : troubled(FailureClass::timeout);
  };

  auto const ids = append(2);
  sim.advance(1h);

  EXPECT_THAT(endpoint(1)->tries(), SizeIs(2));
  EXPECT_EQ(endpoint(1)->tries()[ids[0]], 4);
  EXPECT_EQ(endpoint(1)->tries()[ids[1]], 4);
  EXPECT_EQ(endpoint(1)->times().back(), 840s);
  auto const kept = undelivered(1);
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[1].event, ids[0]);
  EXPECT_EQ(kept[1].payload, memory.payloads()[0]);
  EXPECT_EQ(kept[1].kind, (model::Kind{"root-1", "grade_change"}));
  EXPECT_EQ(kept[1].failure, FailureClass::timeout);
  EXPECT_THAT(stored(1).retries, IsEmpty());
  auto const now = status(1);
  EXPECT_EQ(now.counters.undelivered, 2);
  EXPECT_EQ(now.undelivered, 2);
  EXPECT_EQ(now.waiting, 0);
  EXPECT_EQ(ledger(1).undelivered_timeout, 2);
  EXPECT_EQ(ledger(1).undelivered_other, 0);
}

TEST_F(DispatcherTest, retries_beyond_the_limit_of_all_streams_wait_in_the_log) {
  settings.retries = 300;
  open({stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };

  append(1000);
  sim.advance(1min);
  auto const down = status(1);
  endpoint(1)->answer = [](Entry const&) { return answered(200); };
  sim.advance(1h);
  auto const well = status(1);

  EXPECT_LE(down.retrying, 300 + settings.window);
  EXPECT_EQ(down.waiting, 1000);
  EXPECT_EQ(well.waiting, 0);
  EXPECT_EQ(well.counters.delivered, 1000);
}

TEST_F(DispatcherTest, a_failed_event_does_not_hold_those_behind_it) {
  open({stream(1)});
  int seen = 0;
  endpoint(1)->answer = [&](Entry const&) { return answered(++seen == 7 ? 500 : 200); };

  append(300);
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(300));
  EXPECT_THAT(stored(1).retries, SizeIs(1));
  EXPECT_EQ(stored(1).progress.cursor.batch, memory.range().next);
  auto const now = status(1);
  EXPECT_EQ(now.waiting, 1);
  EXPECT_EQ(now.retrying, 1);
  EXPECT_EQ(now.oldest_waiting, memory.log()[0]->accepted_at);
}

TEST_F(DispatcherTest, a_black_hole_slows_nobody_but_itself) {
  open({stream(1), stream(2)});
  endpoint(1)->takes = 15s;
  endpoint(1)->answer = [](Entry const&) { return troubled(FailureClass::timeout); };
  endpoint(2)->takes = 10ms;

  for (int i = 0; i < 60; ++i) {
    append(20);
    sim.advance(1s);
  }

  EXPECT_THAT(endpoint(2)->got, SizeIs(1200));
  EXPECT_EQ(status(2).waiting, 0);
  EXPECT_LE(endpoint(1)->got.size(), 10);
  EXPECT_LE(endpoint(1)->most_under_way, 2);
  EXPECT_EQ(status(1).waiting, 1200);
}

TEST_F(DispatcherTest, the_window_opens_with_success_up_to_its_limit_and_halves_on_overload) {
  settings.window = 40;
  open({stream(1)});
  endpoint(1)->takes = 10ms;
  append(4000);

  sim.advance(45ms);
  EXPECT_EQ(endpoint(1)->most_under_way, 32);
  sim.advance(1s);
  EXPECT_EQ(endpoint(1)->most_under_way, 40);

  endpoint(1)->answer = [](Entry const&) { return answered(503); };
  endpoint(1)->most_under_way = 0;
  append(1000);
  sim.advance(100ms);
  EXPECT_LE(endpoint(1)->under_way, 1);
}

TEST_F(DispatcherTest, retry_after_moves_the_next_try_and_holds_first_tries) {
  open({stream(1)});
  bool busy = true;
  endpoint(1)->answer = [&](Entry const&) { return busy ? answered(503, 200s) : answered(200); };

  append(1);
  sim.advance(1s);
  busy = false;
  append(1);
  sim.advance(20min);

  EXPECT_THAT(endpoint(1)->times(),
              ElementsAre(0s, AllOf(Ge(200s), Le(201s)), AllOf(Ge(200s), Le(201s))));
}

TEST_F(DispatcherTest, whatever_retry_after_asks_four_tries_end_within_20_minutes) {
  open({stream(1)});
  endpoint(1)->takes = 14s;
  endpoint(1)->answer = [](Entry const&) { return answered(429, 1h); };

  append(1);
  sim.advance(2h);

  ASSERT_THAT(endpoint(1)->got, SizeIs(4));
  EXPECT_LE(endpoint(1)->times().back() + 14s, 20min);
  EXPECT_THAT(undelivered(1), SizeIs(1));
}

TEST_F(DispatcherTest, trouble_of_our_own_burns_no_try_and_is_not_counted) {
  open({stream(1)});
  bool down = true;
  endpoint(1)->answer = [&](Entry const&) {
    return down ? troubled(FailureClass::own_side) : answered(200);
  };

  append(1);
  sim.advance(1h);
  down = false;
  sim.advance(1min);

  EXPECT_GT(endpoint(1)->got.size(), 100);
  EXPECT_THAT(endpoint(1)->got.back().attempt, 1);
  EXPECT_EQ(ledger(1), (store::LedgerMinute{.delivered = 1}));
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(DispatcherTest, an_edited_filter_takes_effect_at_the_head) {
  auto one = stream(1, {"grade_change"});
  open({one});
  endpoint(1)->takes = 1h;  // nothing goes on: what was accepted before waits
  append(2, "grade_change");
  append(3, "quiz_submitted");
  append(1, "grade_change");
  sim.advance(1s);

  one.event_types = {"quiz_submitted"};
  ++one.version;
  ASSERT_TRUE(run(dispatcher->put(one)));
  append(4, "grade_change");
  append(5, "quiz_submitted");
  endpoint(1)->takes = {};
  sim.advance(2h);

  std::map<std::string, int> types;
  for (auto const& got : endpoint(1)->got) ++types[got.type];
  EXPECT_EQ(types["grade_change"], 3);
  EXPECT_EQ(types["quiz_submitted"], 5);
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_THAT(stored(1).progress.filters, SizeIs(1));
}

TEST_F(DispatcherTest, a_new_address_holds_from_the_next_try_on) {
  auto one = stream(1);
  open({one});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(1);
  sim.advance(1s);

  one.delivery.url = url(9);
  ASSERT_TRUE(run(dispatcher->put(one)));
  sim.advance(10min);

  EXPECT_THAT(endpoint(1)->got, SizeIs(1));
  ASSERT_THAT(endpoint(9)->got, SizeIs(1));
  EXPECT_EQ(endpoint(9)->got[0].attempt, 2);
}

TEST_F(DispatcherTest, a_deactivated_stream_ends_what_is_under_way_and_freezes_the_rest) {
  auto one = stream(1);
  open({one});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(1);
  sim.advance(1s);  // it waits for its second try
  endpoint(1)->answer = [](Entry const&) { return answered(200); };
  endpoint(1)->takes = 10s;
  append(10);
  sim.advance(1s);
  auto const under_way = endpoint(1)->under_way;
  ASSERT_GT(under_way, 0);

  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  sim.advance(1h);

  EXPECT_EQ(status(1).counters.delivered, under_way);
  EXPECT_EQ(status(1).waiting, 11 - under_way);
  EXPECT_EQ(stored(1).retries.size(), 1);
  EXPECT_EQ(memory.tried().size(), 1 + under_way);

  one.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {})));
  sim.advance(10min);
  EXPECT_EQ(status(1).counters.delivered, 11);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(DispatcherTest, activation_from_now_skips_what_waits_and_counts_it) {
  auto one = stream(1);
  open({one});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(1);
  sim.advance(1s);
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  append(50);
  endpoint(1)->answer = [](Entry const&) { return answered(200); };
  endpoint(1)->got.clear();

  one.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {ActivateFrom::Kind::now, {}})));
  append(3);
  sim.advance(1h);

  EXPECT_THAT(endpoint(1)->got, SizeIs(3));
  EXPECT_EQ(status(1).counters.skipped, 51);
  EXPECT_EQ(status(1).counters.delivered, 3);
  EXPECT_EQ(status(1).waiting, 0);
  EXPECT_THAT(stored(1).retries, IsEmpty());
}

TEST_F(DispatcherTest, activation_from_a_time_skips_what_was_accepted_before) {
  auto one = stream(1, {"grade_change"});
  open({one});
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  append(5);
  sim.advance(10s);
  append(7, "quiz_submitted");
  sim.advance(10s);
  auto const from = sim.clock().wall();
  append(6);
  sim.advance(10s);
  append(4);

  one.state = model::StreamState::active;
  ASSERT_TRUE(run(dispatcher->activate(one, {ActivateFrom::Kind::time, from})));
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(10));
  EXPECT_EQ(status(1).counters.skipped, 5);
  EXPECT_EQ(status(1).waiting, 0);
}

TEST_F(DispatcherTest, a_removed_stream_gets_nothing_more_and_leaves_nothing) {
  open({stream(1), stream(2)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  append(1);
  sim.advance(1s);

  ASSERT_TRUE(run(dispatcher->remove(id(1))));
  append(1);
  sim.advance(1h);

  EXPECT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_THAT(endpoint(2)->got, SizeIs(2));
  EXPECT_THAT(*run(memory.load_streams()), SizeIs(1));
  EXPECT_FALSE(run(dispatcher->status(id(1))));
}

TEST_F(DispatcherTest, a_test_event_is_sent_at_once_and_recorded) {
  open({stream(1)});

  auto const outcome = run(
      dispatcher->test(id(1), {"root-1", "grade_change"}, R"({"metadata":{"a":1},"body":{}})", 7));

  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->delivered);
  ASSERT_THAT(endpoint(1)->got, SizeIs(1));
  EXPECT_EQ(endpoint(1)->got[0].body, R"({"metadata":{"a":1},"body":{}})");
  ASSERT_THAT(memory.tried(), SizeIs(1));
  EXPECT_EQ(memory.tried()[0].run, model::Run::test);
  EXPECT_EQ(status(1).counters.matched, 0);
  EXPECT_FALSE(status(1).last_success) << "nor does it say that events arrive";
  EXPECT_THAT(dispatcher->meters().deliveries, IsEmpty());
}

TEST_F(DispatcherTest, caliper_streams_are_refused_while_there_is_no_caliper) {
  open({});
  auto one = stream(1);
  one.format = model::Format::caliper;

  auto const put = run(dispatcher->put(one));

  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().fault, Fault::invalid);
}

TEST_F(DispatcherTest, batches_go_to_transports_that_take_them) {
  open({});
  endpoint(1)->entries = 10;
  ASSERT_TRUE(run(dispatcher->put(stream(1))));

  append(25);
  sim.advance(1s);

  EXPECT_THAT(endpoint(1)->got, SizeIs(25));
  EXPECT_THAT(endpoint(1)->batches, Each(Le(10)));
  EXPECT_THAT(endpoint(1)->batches, SizeIs(3));
}

TEST_F(DispatcherTest, meters_count_tries_by_outcome_and_class) {
  open({stream(1)});
  endpoint(1)->answer = [](Entry const& entry) { return answered(entry.attempt == 1 ? 500 : 200); };

  append(2);
  sim.advance(5min);

  std::map<std::pair<model::AttemptOutcome, FailureClass>, std::uint64_t> counts;
  for (auto const& one : dispatcher->meters().deliveries)
    counts[{one.outcome, one.failure}] = one.count;
  EXPECT_EQ((counts[{model::AttemptOutcome::waiting, FailureClass::http}]), 2);
  EXPECT_EQ((counts[{model::AttemptOutcome::delivered, FailureClass::none}]), 2);
}

}  // namespace
}  // namespace millrace::delivery
