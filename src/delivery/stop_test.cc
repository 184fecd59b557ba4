// A stop, with a change of a data stream at each of its moments: what was answered is there after the restart, what was refused did not
// happen, and what was deleted leaves nothing.
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

enum class Change : std::uint8_t { add, edit, skip, remove };
enum class Answer : std::uint8_t { none, done, refused };

// One stop, with one change after `moment` turns of the loop. It does what the control plane does: a permit, the record, the lane.
class Story final : public DispatcherTest {
 public:
  Story(Change change, int moment) : change_(change), moment_(moment) {}
  void TestBody() override {}

  // True: the stop was still under way at that moment.
  bool tell() {
    settings.window = 4;
    auto held = stream(2);
    held.state = model::StreamState::deactivated;
    records_ = {{id(1), stream(1, {"before"})}, {id(2), held}, {id(3), stream(3)}};
    for (std::uint64_t n = 1; n <= 3; ++n) endpoint(n)->takes = 60ms;
    open(all());
    append(6, "before");
    sim.advance(100ms);

    auto const stopped = sim.start(dispatcher->stop(sim.clock().now() + 15s));
    for (int turn = 0; turn < moment_ && !stopped.done(); ++turn) step();
    bool const reached = !stopped.done();
    auto const changed = sim.start(make_change());
    while (!stopped.done() || !changed.done()) step();
    sim.settle();
    dispatcher = nullptr;

    append(5, "after");
    for (std::uint64_t n = 1; n <= 9; ++n) *endpoint(n) = Endpoint();
    open(all());
    sim.advance(30min);
    EXPECT_NE(answer_, Answer::none);
    expect_right();
    return reached;
  }
  Answer answer() const { return answer_; }

 private:
  std::vector<model::DataStream> all() const {
    std::vector<model::DataStream> streams;
    for (auto const& [key, record] : records_) streams.push_back(record);
    return streams;
  }
  void step() {
    sim.context().restart();
    if (sim.context().poll_one() > 0) return;
    if (auto const next = sim.clock().next_wake()) sim.clock().move_to(*next);
  }
  io::Task<void> make_change() {
    auto const permit = dispatcher->begin_change();
    answer_ = Answer::refused;
    if (!permit) co_return;
    co_await sim.clock().sleep_for(2ms);  // the record's own commit
    bool done = false;
    if (change_ == Change::add) {
      records_[id(9)] = stream(9);
      done = (co_await dispatcher->put(stream(9))).has_value();
    } else if (change_ == Change::edit) {
      records_[id(1)].event_types = {"after"};
      done = (co_await dispatcher->put(records_[id(1)])).has_value();
    } else if (change_ == Change::skip) {
      records_[id(2)].state = model::StreamState::active;
      auto const skipped =
          co_await dispatcher->activate(records_[id(2)], {ActivateFrom::Kind::now, {}});
      done = skipped.has_value();
      if (done) EXPECT_EQ(*skipped, 6U);
    } else {
      records_.erase(id(3));
      done = (co_await dispatcher->remove(id(3))).has_value();
    }
    EXPECT_TRUE(done) << "who has a permit is served";
    answer_ = Answer::done;
  }
  void expect_right() {
    bool const done = answer_ == Answer::done;
    auto const got = [&](std::uint64_t n) { return endpoint(n)->tries().size(); };
    if (change_ == Change::add) {
      EXPECT_EQ(got(9), done ? 5U : 0U);
    } else if (change_ == Change::edit) {
      EXPECT_EQ(status(1).counters.matched, done ? 11U : 6U);
      EXPECT_EQ(status(1).waiting, 0U);
    } else if (change_ == Change::skip) {
      EXPECT_EQ(got(2), done ? 5U : 0U);
      EXPECT_EQ(status(2).waiting, done ? 0U : 11U);
    } else {
      EXPECT_EQ(run(memory.load_streams())->size(), done ? 2U : 3U);
      EXPECT_EQ(got(3) > 0, !done);
    }
  }

  Change change_;
  int moment_;
  std::map<StreamId, model::DataStream> records_;
  Answer answer_ = Answer::none;
};

class StopTest : public ::testing::TestWithParam<Change> {};

TEST_P(StopTest, what_was_answered_at_any_moment_of_a_stop_is_there_afterwards) {
  int done = 0, refused = 0;
  for (int moment = 0;; ++moment) {
    Story story(GetParam(), moment);
    bool const reached = story.tell();
    (story.answer() == Answer::done ? done : refused) += 1;
    if (HasFailure()) FAIL() << "at moment " << moment;
    if (!reached) break;
  }
  EXPECT_GT(done, 10);
  EXPECT_GT(refused, 3) << "the last checkpoint has moments, too";
}
INSTANTIATE_TEST_SUITE_P(Changes, StopTest,
                         ::testing::Values(Change::add, Change::edit, Change::skip,
                                           Change::remove));

class StopEndTest : public DispatcherTest {};

TEST_F(StopEndTest, a_change_without_a_permit_is_refused_once_the_last_checkpoint_is_collected) {
  open({stream(1)});
  auto const stopped = sim.start(dispatcher->stop(sim.clock().now() + 15s));
  sim.settle();
  ASSERT_TRUE(stopped.done());

  EXPECT_FALSE(dispatcher->begin_change());
  for (auto const& refused :
       {run(dispatcher->put(stream(2))), run(dispatcher->put(stream(1, {"other"}))),
        run(dispatcher->deactivate(stream(1)))}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::busy);
  }
  EXPECT_EQ(run(dispatcher->remove(id(1))).error().fault, Fault::busy);
  EXPECT_EQ(run(dispatcher->activate(stream(1), {})).error().fault, Fault::busy);
  dispatcher = nullptr;
}

TEST_F(StopEndTest, rows_of_a_stream_whose_record_is_gone_are_swept_at_the_start) {
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  open({stream(1), stream(2)});
  append(3);
  sim.advance(1s);
  crash();  // its record was removed, and the node ended before its lane was told

  open({stream(2)});
  sim.advance(1s);

  EXPECT_THAT(*run(memory.load_streams()), ::testing::SizeIs(1));
  EXPECT_THAT(sim.log().lines("deleted streams"), ::testing::SizeIs(1));
  crash();
  open({stream(2)});
  EXPECT_THAT(sim.log().lines("deleted streams"), ::testing::SizeIs(1)) << "once";
}

TEST_F(StopEndTest, a_stream_without_a_lane_is_deleted_with_its_rows) {
  open({stream(1)});
  sim.advance(1s);
  stop();
  auto impossible = stream(1);
  impossible.format = model::Format::caliper;  // not available here: it is not started
  open({impossible});
  expected_errors = 1;

  ASSERT_TRUE(run(dispatcher->remove(id(1))));
  sim.advance(1s);

  EXPECT_THAT(*run(memory.load_streams()), ::testing::IsEmpty());
}

TEST_F(StopEndTest, a_change_whose_checkpoint_fails_is_uncertain_and_at_work) {
  open({stream(1)});
  memory.fail_checkpoints(1, {Fault::busy, "disk: full"});
  expected_errors = 1;

  auto const put = run(dispatcher->put(stream(2)));

  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().fault, Fault::uncertain);
  append(3);
  sim.advance(5s);
  EXPECT_EQ(endpoint(2)->got.size(), 3U);
  EXPECT_EQ(stored(2).progress.counters.delivered, 3U) << "and is stored later";
}

TEST_F(StopEndTest, a_deletion_answers_what_waited_and_what_was_kept) {
  endpoint(1)->answer = [](Entry const& entry) {
    return answered(entry.event_type == "bad" ? 500 : 200);
  };
  open({stream(1)});
  append(2, "bad");
  sim.advance(1h);  // their runs are over
  auto one = stream(1);
  one.state = model::StreamState::deactivated;
  ASSERT_TRUE(run(dispatcher->deactivate(one)));
  append(7);

  auto const dropped = run(dispatcher->remove(id(1)));

  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->waiting, 7U);
  EXPECT_EQ(dropped->undelivered, 2U);
}

TEST_F(StopEndTest, what_is_being_sent_is_not_dropped_by_a_deletion) {
  settings.window = 2;
  endpoint(1)->takes = 10s;
  open({stream(1)});
  append(10);
  sim.advance(1s);

  auto const dropped = run(dispatcher->remove(id(1)));
  sim.advance(1min);

  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->waiting, 8U);
  EXPECT_EQ(endpoint(1)->got.size(), 2U);
}

TEST_F(StopEndTest, a_stop_lets_go_of_an_activation_that_waits_for_a_read_of_the_log) {
  settings.catching_up = 1;
  open({stream(1), stream(2)});
  for (int i = 0; i < 300; ++i) append(1, "grade_change", "root-1", 80'000);
  auto one = stream(1), two = stream(2);
  for (auto* const each : {&one, &two}) {
    each->state = model::StreamState::deactivated;
    ASSERT_TRUE(run(dispatcher->deactivate(*each)));
  }
  sim.advance(1s);
  for (int i = 0; i < 300; ++i) append(1, "grade_change", "root-1", 80'000);
  one.state = two.state = model::StreamState::active;
  // Both read the log, one at a time; then the second is stopped and started anew before its turn has come.
  auto const first = sim.start(dispatcher->activate(one, {}));
  auto const second = sim.start(dispatcher->activate(two, {}));
  for (int turn = 0; turn < 30; ++turn) sim.context().poll_one();
  auto const again = sim.start(dispatcher->activate(two, {ActivateFrom::Kind::now, {}}));
  for (int turn = 0; turn < 2; ++turn) sim.context().poll_one();
  auto const stopped = sim.start(dispatcher->stop(sim.clock().now() + 15s));

  sim.advance(20s);

  EXPECT_TRUE(again.done());
  EXPECT_TRUE(stopped.done());
  dispatcher = nullptr;
}

}  // namespace
}  // namespace millrace::delivery
