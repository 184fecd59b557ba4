// What a wall clock that jumps costs: nothing. It is doubted for what cannot be undone, and events keep their place.
#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr Duration month = hours(24 * 30);

class ClockTest : public StoreTest {
 protected:
  ClockTest() {
    settings.segment_bytes = 64 * 1024;
    settings.attempts_segment_bytes = 1;
    settings.tail_bytes = 0;
    settings.cache_bytes = 0;
  }

  static RepeatKey key(std::string name) {
    return {std::move(name), std::string(32, 'h'), "stored", hours(24)};
  }
  static StreamId stream() { return {{1, 1}}; }
  void append_some(int batches) {
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(append(block(10, 800, "grade_change", appended_++)));
      clock.advance(std::chrono::seconds(1));
    }
  }
  // One of each thing that gets old.
  void fill() {
    append_some(20);
    ASSERT_TRUE(append(block(1, 10, "grade_change", appended_++), key("k")));
    StreamDelta delta;
    delta.stream = stream();
    Undelivered event;
    event.work.at = {1, 0};
    event.kind = {"account-a", "grade_change"};
    event.payload = "{}";
    event.failed_at = clock.wall();
    delta.undelivered = {event};
    delta.ledger = {{unix_ms(clock.wall()) / 60'000, 1, 2, 3, 4}};
    ASSERT_TRUE(wait(store->checkpoint({delta})));
    audit_id_ = Uuid::v7(clock.wall(), 1, 2).text();
    ASSERT_TRUE(wait(store->change({{"audit", audit_id_, "line", 0}})));
    for (int i = 0; i < 3; ++i) {
      model::Attempt attempt;
      attempt.stream = stream();
      attempt.at = clock.wall();
      store->add_attempt(attempt);
      ASSERT_EQ(attempts(), static_cast<std::size_t>(i) + 1);
      clock.advance(std::chrono::seconds(1));
    }
  }
  std::size_t attempts() {
    return wait(store->attempts({stream(), {}, {}, {}, {}, {}, 100}))->items.size();
  }
  std::size_t undelivered() {
    return wait(store->undelivered(stream(), "", {100}, Payloads::with))->items.size();
  }
  std::size_t ledger() {
    return wait(store->ledger(stream(), 0, std::numeric_limits<std::int32_t>::max()))->size();
  }
  std::size_t audit() { return wait(store->records("audit"))->size(); }
  bool knows_repeat() { return append(block(1, 10), key("k"))->repeated; }
  void retain() { ASSERT_TRUE(wait(store->retain(store->time().earliest()))); }
  void a_minute_passes() {
    clock.advance(minutes(1));
    retain();
  }
  void expect_all_is_there() {
    EXPECT_EQ(store->range().oldest, 1U);
    EXPECT_EQ(attempts(), 3U);
    EXPECT_EQ(undelivered(), 1U);
    EXPECT_EQ(ledger(), 1U);
    EXPECT_EQ(audit(), 1U);
    EXPECT_TRUE(knows_repeat());
  }
  void expect_each_event_is_found() {
    auto const batches = read_all(1);
    EXPECT_EQ(batches.size(), static_cast<std::size_t>(appended_));
    for (auto const& batch : batches) {
      auto const found = wait(store->find(batch->id_of(0)));
      ASSERT_TRUE(found) << batch->number << ": " << found.error().what;
      EXPECT_EQ(found->first->number, batch->number);
    }
  }

  int appended_ = 0;
  std::string audit_id_;
};

TEST_F(ClockTest, a_month_or_a_year_ahead_for_a_minute_removes_nothing) {
  for (Duration const jump : {month, month * 24, Duration(hours(24 * 8))}) {
    files.replace_disk();
    appended_ = 0;
    clock.set_wall_off({});
    open();
    fill();
    a_minute_passes();

    clock.set_wall_off(jump);
    a_minute_passes();
    append_some(3);
    a_minute_passes();
    clock.set_wall_off({});
    a_minute_passes();
    append_some(3);

    expect_all_is_there();
    reopen();
    expect_all_is_there();
    store.reset();
  }
}

TEST_F(ClockTest, a_month_back_for_a_minute_removes_nothing_and_forgets_no_repeat) {
  open();
  clock.set_wall_off(-month * 2);
  ASSERT_TRUE(append(block(1, 10, "grade_change", appended_++)));
  clock.set_wall_off({});
  store.reset();
  files.replace_disk();
  appended_ = 0;
  open();
  static_cast<void>(store->time().earliest());
  clock.set_wall_off(-month * 2);
  fill();
  clock.set_wall_off({});
  a_minute_passes();

  EXPECT_EQ(undelivered(), 1U);
  EXPECT_TRUE(knows_repeat());
}

TEST_F(ClockTest, events_around_a_jump_are_found_by_id) {
  settings.segment_bytes = 8 << 20;  // no segment ends for being full
  for (Duration const jump : {month, -month, Duration(hours(2)), Duration(hours(-2))}) {
    files.replace_disk();
    appended_ = 0;
    clock.set_wall_off({});
    open();
    append_some(12);
    clock.set_wall_off(jump);
    append_some(12);
    clock.set_wall_off({});
    append_some(12);
    clock.set_wall_off(jump / 2);
    append_some(3);

    expect_each_event_is_found();
    reopen();
    append_some(3);
    expect_each_event_is_found();
    store.reset();
  }
}

// A time finds everything that was accepted at it or later, and nothing that a fallen clock has put far away is lost.
TEST_F(ClockTest, a_place_by_time_leaves_out_nothing_younger) {
  for (Duration const jump : {month, -month}) {
    files.replace_disk();
    appended_ = 0;
    clock.set_wall_off({});
    open();
    append_some(6);
    clock.set_wall_off(jump);
    append_some(6);
    clock.set_wall_off({});
    append_some(6);
    auto const batches = read_all(1);
    for (auto const& asked : batches) {
      auto const place = wait(store->batch_at(asked->accepted_at));
      ASSERT_TRUE(place);
      for (auto const& batch : batches)
        if (batch->accepted_at >= asked->accepted_at) EXPECT_LE(*place, batch->number);
    }
    store.reset();
  }
}

TEST_F(ClockTest, times_of_acceptance_stand_still_while_no_segment_can_be_begun) {
  open();
  append_some(5);
  clock.set_wall_off(-month);
  files.fail_at(files.operations(), Fault::busy);  // the new segment's file
  append_some(1);
  EXPECT_EQ(log.count("log segment cannot be made"), 1);
  append_some(3);
  clock.advance(minutes(1));
  append_some(3);

  expect_each_event_is_found();
}

TEST_F(ClockTest, a_start_that_comes_late_waits_for_hours) {
  open();
  fill();
  a_minute_passes();
  ASSERT_TRUE(wait(store->close()));
  clock.advance(month * 24);
  open();

  a_minute_passes();
  expect_all_is_there();
  clock.advance(io::TrustedTime::confirm_after);
  retain();
  retain();

  EXPECT_EQ(undelivered(), 0U);
  EXPECT_EQ(ledger(), 0U);
  EXPECT_EQ(audit(), 0U);
  EXPECT_LE(attempts(), 1U);
  EXPECT_GT(store->range().oldest, 10U);
}

TEST_F(ClockTest, a_clock_that_was_ahead_when_it_was_killed_is_not_what_the_next_start_believes) {
  open();
  fill();
  a_minute_passes();
  clock.set_wall_off(month * 24);
  append_some(3);
  a_minute_passes();
  store.reset();
  clock.set_wall_off({});

  open();
  a_minute_passes();

  expect_all_is_there();
  EXPECT_FALSE(store->time().doubt());
}

TEST_F(ClockTest, an_operator_says_that_the_clock_is_right) {
  open();
  fill();
  clock.set_wall_off(month * 24);
  a_minute_passes();
  ASSERT_EQ(undelivered(), 1U);
  ASSERT_TRUE(files.write_all("/data/accept-clock", ""));

  a_minute_passes();
  a_minute_passes();

  EXPECT_EQ(undelivered(), 0U);
  EXPECT_FALSE(*files.exists("/data/accept-clock"));
  EXPECT_EQ(log.count("the clock is accepted by the operator"), 1);
}

TEST_F(ClockTest, retention_by_age_goes_on_behind_a_segment_from_the_future) {
  open();
  append_some(10);
  clock.set_wall_off(month);
  append_some(3);
  clock.set_wall_off({});
  append_some(10);
  clock.advance(hours(24 * 4));
  retain();
  append_some(1);
  clock.advance(hours(24 * 4));

  retain();

  EXPECT_GT(store->range().oldest, 13U);
}

}  // namespace
}  // namespace millrace::store
