// What goes from state.db, and how much work that is.
#include <gmock/gmock.h>

#include "store/state_file.h"
#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class StateRetentionTest : public StoreTest {
 protected:
  StateRetentionTest() {
    settings.journal_bytes = 1;  // folded at once
    EXPECT_TRUE(files.make_folders("/data", 0700));
  }
  void open_state() {
    state.reset();
    space.reset();
    folder = std::make_unique<Folder>(settings, files, clock, random, log);
    space = std::make_unique<DiskSpace>(*folder);
    state = std::make_unique<StateFile>(*folder, *space);
    auto const done = state->open();
    ASSERT_TRUE(done) << done.error().what;
  }
  ~StateRetentionTest() override {
    state.reset();
    space.reset();
  }

  static StreamId stream(std::uint64_t n) { return {{n, n}}; }
  std::int64_t minute() const { return unix_ms(clock.wall()) / 60'000; }
  StreamDelta delta(std::uint64_t n, std::uint64_t k, int minutes_of_ledger = 1) {
    StreamDelta made;
    made.stream = stream(n);
    made.progress.cursor = {k, 0};
    for (int i = 0; i < minutes_of_ledger; ++i) made.ledger.push_back({minute() - i, 1, 0, 0, 0});
    return made;
  }
  StreamDelta with_rows(std::uint64_t n, std::uint64_t k) {
    auto made = delta(n, k);
    made.retries.resize(1);
    made.retries[0].work.at = {k, 1};
    made.undelivered.resize(1);
    made.undelivered[0].work.at = {k, 2};
    made.undelivered[0].kind = {"account-a", "grade_change"};
    made.undelivered[0].payload = "{}";
    made.undelivered[0].failed_at = clock.wall();
    return made;
  }
  std::size_t ledger_rows(std::uint64_t n) {
    return state->ledger(stream(n), 0, std::numeric_limits<std::int32_t>::max())->size();
  }
  std::uint64_t work_of_one() {
    auto const before = state->work();
    EXPECT_TRUE(state->retain(clock.wall()));
    return state->work() - before;
  }

  std::unique_ptr<Folder> folder;
  std::unique_ptr<DiskSpace> space;
  std::unique_ptr<StateFile> state;
};

TEST_F(StateRetentionTest, a_minute_in_which_nothing_gets_old_costs_the_same_whatever_is_kept) {
  open_state();
  ASSERT_TRUE(state->checkpoint(1, {delta(1, 1)}, 2));
  ASSERT_TRUE(state->retain(clock.wall()));
  auto const with_little = work_of_one();

  for (std::uint64_t n = 1; n <= 20; ++n)
    ASSERT_TRUE(state->checkpoint(1, {delta(n, 2, 1'000)}, 2));

  EXPECT_LE(work_of_one(), with_little + 50);
}

TEST_F(StateRetentionTest, over_days_the_work_is_that_of_what_goes) {
  open_state();
  constexpr std::uint64_t streams = 10;
  constexpr int days = 60;
  std::uint64_t calls = 0;
  auto const before = state->work();
  std::uint64_t written = 0;
  for (int hour = 0; hour < days * 24; hour += 4) {
    std::vector<StreamDelta> deltas;
    for (std::uint64_t n = 1; n <= streams; ++n) deltas.push_back(delta(n, 1));
    auto const work = state->work();
    ASSERT_TRUE(state->checkpoint(1, deltas, 2));
    written += state->work() - work;
    clock.advance(hours(4));
    for (;; ++calls) {
      auto const more = state->retain(clock.wall());
      ASSERT_TRUE(more);
      if (!*more) break;
    }
    ++calls;
  }
  auto const work = state->work() - before - written;
  auto const gone = streams * (days - 30) * 6;

  EXPECT_LE(ledger_rows(1), 30U * 6 + 1);
  EXPECT_GE(ledger_rows(1), 30U * 6 - 1);
  EXPECT_LE(work, gone * 60 + calls * 300);
}

TEST_F(StateRetentionTest, removes_in_slices) {
  open_state();
  for (std::uint64_t n = 1; n <= 12; ++n)
    ASSERT_TRUE(state->checkpoint(1, {delta(n, 2, 1'000)}, 2));
  clock.advance(hours(24 * 40));

  int slices = 0;
  for (;; ++slices) {
    auto const more = state->retain(clock.wall());
    ASSERT_TRUE(more);
    if (!*more) break;
  }

  EXPECT_EQ(slices, 3);  // of 5,000 minutes at most
  EXPECT_EQ(ledger_rows(7), 0U);
}

TEST_F(StateRetentionTest, lets_go_of_lines_of_the_audit_log_after_their_time) {
  settings.audit_age = hours(24 * 400);
  open_state();
  std::vector<std::string> ids;
  for (int day = 0; day < 500; day += 10) {
    ids.push_back(Uuid::v7(clock.wall(), 5, 6).text());
    ASSERT_TRUE(state->change({{"audit", ids.back(), "line", 0}, {"other", ids.back(), "x", 0}}));
    clock.advance(hours(240));
  }

  while (*state->retain(clock.wall())) {
  }

  auto const left = state->records("audit");
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 40U);
  EXPECT_EQ(left->front().id, ids[10]);
  EXPECT_EQ(state->records("other")->size(), 50U);
}

TEST_F(StateRetentionTest, removes_all_rows_of_streams_that_are_no_more) {
  open_state();
  for (std::uint64_t n = 1; n <= 5; ++n)
    for (std::uint64_t k = 1; k <= 700; k += n == 3 ? 1 : 100)
      ASSERT_TRUE(state->checkpoint(1, {with_rows(n, k)}, 2));

  auto const removed = state->keep_streams({stream(2), stream(4)});

  ASSERT_TRUE(removed) << removed.error().what;
  EXPECT_EQ(*removed, 2 * 7 * 2 + 700 * 2 + 3U + 3U);
  auto const left = state->load_streams();
  ASSERT_EQ(left->size(), 2U);
  for (auto const& one : *left) {
    EXPECT_EQ(one.retries.size(), 7U);
    EXPECT_EQ(one.undelivered, 7U);
  }
  EXPECT_EQ(ledger_rows(3), 0U);
  EXPECT_EQ(ledger_rows(4), 1U);
  EXPECT_EQ(state->undelivered(stream(3), "", {10}, Payloads::with)->items.size(), 0U);
  EXPECT_EQ(*state->keep_streams({stream(2), stream(4)}), 0U);
}

// Wherever the machine stops, what is known is whole and the next start removes the rest.
TEST_F(StateRetentionTest, a_removal_that_was_cut_short_is_ended_by_the_next_start) {
  for (std::uint64_t stop = 0;; ++stop) {
    SCOPED_TRACE(stop);
    state.reset();
    files.replace_disk();
    ASSERT_TRUE(files.make_folders("/data", 0700));
    open_state();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(state->checkpoint(1, {with_rows(n, 5)}, 2));
    files.stop_at(files.operations() + stop);
    static_cast<void>(state->keep_streams({stream(2)}));
    bool const reached = files.is_stopped();
    state.reset();
    files.restart(stop);
    open_state();

    ASSERT_TRUE(state->keep_streams({stream(2)}));

    auto const left = state->load_streams();
    ASSERT_EQ(left->size(), 1U);
    EXPECT_EQ(left->at(0).stream, stream(2));
    EXPECT_EQ(left->at(0).retries.size(), 1U);
    EXPECT_EQ(left->at(0).undelivered, 1U);
    EXPECT_EQ(ledger_rows(1) + ledger_rows(3), 0U);
    if (!reached) break;
  }
}

}  // namespace
}  // namespace millrace::store
