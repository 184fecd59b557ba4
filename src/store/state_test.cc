#include <gmock/gmock.h>

#include "base/encoding.h"
#include "store/state_format.h"
#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using ::testing::SizeIs;

class StateTest : public StoreTest {
 protected:
  static StreamId stream(std::uint64_t n) { return {{n, n}}; }
  static Retry retry(std::uint64_t batch, std::uint32_t index) {
    Retry made;
    made.work.at = {batch, index};
    made.event = {{batch, index}};
    made.tried = 2;
    made.run_kind = model::Run::redelivery;
    made.failure = model::FailureClass::tls;
    made.status = 503;
    made.due = WallTime(std::chrono::nanoseconds(123456789));
    made.kid = "2026-10-30T00:00:00Z-ab12";
    made.payload_hash = "12345678";
    return made;
  }
  static Undelivered undelivered(std::uint64_t batch, int failed_s) {
    Undelivered made;
    made.work.at = {batch, 1};
    made.event = {{batch, 9}};
    made.kind = {"account-a", "grade_change"};
    made.payload = R"({"metadata":{},"body":{}})";
    made.metadata_bytes = 2;
    made.accepted_at = from_unix_ms(1'000);
    made.failed_at = from_unix_ms(1'790'000'000'000 + failed_s * 1'000LL);
    made.failure = model::FailureClass::timeout;
    made.reason = "no answer";
    return made;
  }
  Result<void> checkpoint(StreamDelta delta) {
    std::vector<StreamDelta> deltas;
    deltas.push_back(std::move(delta));
    return wait(store->checkpoint(std::move(deltas)));
  }
  StreamState load(StreamId id) {
    auto const all = wait(store->load_streams());
    EXPECT_TRUE(all);
    for (auto const& state : *all)
      if (state.stream == id) return state;
    return {};
  }
};

TEST_F(StateTest, reads_progress_without_the_times_of_success_and_failure) {
  StreamProgress progress;
  progress.cursor = {7, 3};
  progress.counters = {100, 90, 5, 3, 2};
  auto old = encode_progress(progress);
  // As version 1 wrote it: two absent times fewer, and nothing of the record.
  old.resize(old.size() - 4 - 2 - 16);
  old[0] = 1;
  auto const sum = crc32c(old);
  for (int shift = 0; shift < 32; shift += 8)
    old.push_back(static_cast<char>((sum >> shift) & 0xFF));

  auto const read = decode_progress(old);

  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->cursor, (Position{7, 3}));
  EXPECT_FALSE(read->last_success);
}

TEST_F(StateTest, one_event_in_two_runs_has_two_rows) {
  open();
  StreamDelta delta;
  delta.stream = stream(1);
  auto live = retry(6, 1), again = retry(6, 1);
  again.work.run = 9;
  live.status = 500;
  auto failed_live = undelivered(5, 1), failed_again = undelivered(5, 2);
  failed_again.work.run = 9;
  delta.retries = {live, again};
  delta.undelivered = {failed_live, failed_again};
  ASSERT_TRUE(checkpoint(delta));

  for (int round = 0; round < 2; ++round) {
    if (round == 1) reopen();
    auto const state = load(stream(1));
    ASSERT_THAT(state.retries, SizeIs(2));
    EXPECT_EQ(state.retries[0].work, (Work{Work::live, {6, 1}}));
    EXPECT_EQ(state.retries[0].status, 500);
    EXPECT_EQ(state.retries[1].work, (Work{9, {6, 1}}));
    EXPECT_EQ(state.retries[1].status, 503);
    EXPECT_EQ(state.undelivered, 2);
  }

  StreamDelta next;
  next.stream = stream(1);
  next.retries_ended = {{9, {6, 1}}};
  next.undelivered_ended = {{Work::live, {5, 1}}};
  ASSERT_TRUE(checkpoint(next));

  for (int round = 0; round < 2; ++round) {
    if (round == 1) reopen();
    auto const state = load(stream(1));
    ASSERT_THAT(state.retries, SizeIs(1));
    EXPECT_EQ(state.retries[0].work, (Work{Work::live, {6, 1}}));
    auto const kept = wait(store->undelivered(stream(1), "", {10}, Payloads::left_out));
    ASSERT_THAT(kept->items, SizeIs(1));
    EXPECT_EQ(kept->items[0].work, (Work{9, {5, 1}}));
  }
}

TEST_F(StateTest, gives_back_the_state_of_a_stream_after_a_restart) {
  open();
  StreamDelta delta;
  delta.stream = stream(1);
  delta.progress.cursor = {7, 3};
  delta.progress.settled_above = {{7, 5}, {8, 0}};
  delta.progress.counted_to = 9;
  delta.progress.counters = {100, 90, 5, 3, 2};
  delta.progress.last_success = from_unix_ms(1'790'000'000'123);
  delta.progress.filters = {{1, {"*"}, "account-a"},
                            {5, {"grade_change", "quiz_submitted"}, "account-a"}};
  delta.progress.lost_from = from_unix_ms(5);
  delta.progress.applied = {12, 3};
  delta.retries = {retry(6, 1), retry(6, 2)};
  ASSERT_TRUE(checkpoint(delta));
  StreamDelta next;
  next.stream = stream(1);
  next.progress = delta.progress;
  next.progress.cursor = {8, 0};
  next.retries_ended = {{.at = {6, 1}}};
  ASSERT_TRUE(checkpoint(next));

  for (int round = 0; round < 3; ++round) {
    if (round == 1) {  // a crash: what is in the journal is read
      files.stop();
      store.reset();
      files.restart(1);
      open();
    }
    if (round == 2) reopen();
    auto const state = load(stream(1));
    EXPECT_EQ(state.progress.cursor, (Position{8, 0}));
    EXPECT_EQ(state.progress.settled_above, delta.progress.settled_above);
    EXPECT_EQ(state.progress.counted_to, 9U);
    EXPECT_EQ(state.progress.counters, delta.progress.counters);
    EXPECT_EQ(state.progress.filters, delta.progress.filters);
    EXPECT_EQ(state.progress.lost_from, delta.progress.lost_from);
    EXPECT_FALSE(state.progress.lost_to);
    EXPECT_EQ(state.progress.last_success, delta.progress.last_success);
    EXPECT_FALSE(state.progress.last_failure);
    EXPECT_EQ(state.progress.applied, delta.progress.applied);
    ASSERT_EQ(state.retries.size(), 1U);
    auto const& kept = state.retries[0];
    auto const expected = retry(6, 2);
    EXPECT_EQ(kept.work, expected.work);
    EXPECT_EQ(kept.event, expected.event);
    EXPECT_EQ(kept.tried, 2);
    EXPECT_EQ(kept.run_kind, expected.run_kind);
    EXPECT_EQ(kept.failure, expected.failure);
    EXPECT_EQ(kept.status, 503);
    EXPECT_EQ(kept.due, expected.due);
    EXPECT_EQ(kept.kid, expected.kid);
    EXPECT_EQ(kept.payload_hash, expected.payload_hash);
  }
}

TEST_F(StateTest, keeps_a_hundred_thousand_retries) {
  open();
  for (std::uint64_t part = 0; part < 10; ++part) {
    StreamDelta delta;
    delta.stream = stream(1);
    for (std::uint32_t i = 0; i < 10'000; ++i) delta.retries.push_back(retry(part + 1, i));
    ASSERT_TRUE(checkpoint(std::move(delta)));
  }
  reopen();

  EXPECT_EQ(load(stream(1)).retries.size(), 100'000U);
}

TEST_F(StateTest, shows_undelivered_newest_first_page_by_page) {
  open();
  StreamDelta delta;
  delta.stream = stream(1);
  for (std::uint64_t i = 1; i <= 25; ++i)
    delta.undelivered.push_back(undelivered(i, static_cast<int>(i / 2)));
  delta.undelivered_ended = {{.at = {25, 1}}};
  ASSERT_TRUE(checkpoint(delta));
  reopen();

  std::vector<std::uint64_t> seen;
  std::string after;
  do {
    auto const page = wait(store->undelivered(stream(1), after, {10}, Payloads::with));
    ASSERT_TRUE(page);
    EXPECT_LE(page->items.size(), 10U);
    for (auto const& event : page->items) seen.push_back(event.work.at.batch);
    after = page->next;
  } while (!after.empty());

  EXPECT_EQ(seen.size(), 24U);
  EXPECT_TRUE(std::ranges::is_sorted(seen, std::greater()));
  auto const first = wait(store->undelivered(stream(1), "", {1}, Payloads::with))->items.at(0);
  EXPECT_EQ(first.payload, R"({"metadata":{},"body":{}})");
  EXPECT_EQ(first.kind.type, "grade_change");
  EXPECT_EQ(first.reason, "no answer");
  EXPECT_EQ(first.failure, model::FailureClass::timeout);
  EXPECT_EQ(load(stream(1)).undelivered, 24U);
  EXPECT_EQ(wait(store->undelivered(stream(1), "nonsense", {10}, Payloads::with)).error().fault,
            Fault::invalid);
}

TEST_F(StateTest, lets_go_of_undelivered_events_after_their_time) {
  open();
  StreamDelta delta;
  delta.stream = stream(1);
  delta.undelivered = {undelivered(1, 0), undelivered(2, 86'400 * 20)};
  ASSERT_TRUE(checkpoint(delta));
  clock.advance(std::chrono::hours(24 * 31));

  ASSERT_TRUE(wait(store->retain(clock.wall())));

  EXPECT_EQ(wait(store->undelivered(stream(1), "", {10}, Payloads::with))->items.size(), 1U);
  EXPECT_EQ(*wait(store->undelivered_count(stream(1))), 1U);
  EXPECT_EQ(*wait(store->undelivered_count(stream(2))), 0U);
}

TEST_F(StateTest, adds_up_the_ledger_before_and_after_folding) {
  open();
  for (int i = 0; i < 3; ++i) {
    StreamDelta delta;
    delta.stream = stream(1);
    delta.ledger = {{100, 1, 2, 0, 0}, {101, 0, 0, 3, 4}};
    ASSERT_TRUE(checkpoint(std::move(delta)));
    if (i == 1) static_cast<void>(load(stream(1)));  // folds
  }
  auto const expected = std::vector<LedgerMinute>{{100, 3, 6, 0, 0}, {101, 0, 0, 9, 12}};

  EXPECT_EQ(wait(store->ledger(stream(1), 0, 1'000)), expected);
  reopen();
  EXPECT_EQ(wait(store->ledger(stream(1), 0, 1'000)), expected);
  EXPECT_EQ(wait(store->ledger(stream(1), 101, 102))->size(), 1U);
  EXPECT_TRUE(wait(store->ledger(stream(2), 0, 1'000))->empty());
}

TEST_F(StateTest, removes_all_of_a_stream_and_takes_it_anew) {
  open();
  StreamDelta delta;
  delta.stream = stream(1);
  delta.retries = {retry(1, 1)};
  delta.undelivered = {undelivered(1, 0)};
  delta.ledger = {{100, 1, 0, 0, 0}};
  ASSERT_TRUE(checkpoint(delta));
  reopen();

  StreamDelta gone;
  gone.stream = stream(1);
  gone.removed = true;
  ASSERT_TRUE(checkpoint(gone));

  EXPECT_TRUE(wait(store->ledger(stream(1), 0, 1'000))->empty());
  EXPECT_TRUE(wait(store->undelivered(stream(1), "", {10}, Payloads::with))->items.empty());
  StreamDelta anew;
  anew.stream = stream(1);
  anew.progress.cursor = {5, 0};
  ASSERT_TRUE(checkpoint(anew));
  reopen();
  auto const state = load(stream(1));
  EXPECT_EQ(state.progress.cursor.batch, 5U);
  EXPECT_TRUE(state.retries.empty());
  ASSERT_TRUE(checkpoint(gone));
  reopen();
  EXPECT_TRUE(wait(store->load_streams())->empty());
}

TEST_F(StateTest, changes_records_all_or_none_and_by_version) {
  open();
  auto const change = [&](std::vector<RecordChange> changes) {
    return wait(store->change(std::move(changes)));
  };
  ASSERT_TRUE(change({{"streams", "a", "1", 0}, {"streams", "b", "1", std::nullopt}}));
  ASSERT_TRUE(change({{"streams", "a", "2", 1}}));

  EXPECT_EQ(change({{"streams", "b", "9", 1}, {"streams", "a", "9", 1}}).error().fault,
            Fault::conflict);
  EXPECT_EQ(change({{"streams", "a", "9", 0}}).error().fault, Fault::conflict);
  EXPECT_EQ(change({{"streams", "b", "9", 1}, {"streams", "none", std::nullopt, std::nullopt}})
                .error()
                .fault,
            Fault::missing);
  EXPECT_EQ(change({{"streams", "none", "9", 3}}).error().fault, Fault::missing);

  reopen();
  auto const all = wait(store->records("streams"));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].value, "2");
  EXPECT_EQ((*all)[0].version, 2U);
  EXPECT_EQ((*all)[1].value, "1");
  ASSERT_TRUE(change({{"streams", "a", std::nullopt, 2}}));
  EXPECT_EQ(wait(store->records("streams"))->size(), 1U);
  EXPECT_TRUE(wait(store->records("tokens"))->empty());
}

TEST_F(StateTest, shows_records_last_id_first_page_by_page) {
  open();
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(wait(store->change({{"audit", fmt::format("{:03}", i), "x", std::nullopt}})));

  auto const first = wait(store->newest_records("audit", "", {3}));
  auto const second = wait(store->newest_records("audit", first->next, {3}));

  EXPECT_EQ(first->items.at(0).id, "004");
  EXPECT_EQ(second->items.at(1).id, "000");
  EXPECT_TRUE(second->next.empty());
}

TEST_F(StateTest, keeps_the_newest_dead_letters_within_bounds) {
  open();
  for (int part = 0; part < 12; ++part) {
    std::vector<DeadLetter> letters;
    for (int i = 0; i < 1'000; ++i)
      letters.push_back(
          {fmt::format("{:08}", part * 1'000 + i), clock.wall(), "json", "", "no account", "{}"});
    ASSERT_TRUE(wait(store->add_dead_letters(std::move(letters))));
  }
  std::vector<DeadLetter> large(
      1, {"", clock.wall(), "kinesis", "a", "not JSON", std::string(1'000'000, 'x')});
  ASSERT_TRUE(wait(store->add_dead_letters(std::move(large))));
  reopen();

  std::size_t count = 0;
  std::string after, last;
  do {
    auto const page = wait(store->dead_letters(after, {1'000, SIZE_MAX}));
    ASSERT_TRUE(page);
    count += page->items.size();
    last = page->items.back().id;
    after = page->next;
  } while (!after.empty());
  EXPECT_EQ(count, 10'000U);
  EXPECT_GE(last, "00002000");
}

TEST_F(StateTest, cuts_the_payload_of_a_dead_letter) {
  open();
  ASSERT_TRUE(wait(store->add_dead_letters(
      {{"", clock.wall(), "kinesis", "a", "not JSON", std::string(1'000'000, 'x')}})));

  auto const page = wait(store->dead_letters("", {10}));

  EXPECT_EQ(page->items.at(0).payload.size(), 65'536U);
  EXPECT_EQ(page->items.at(0).reason, "not JSON");
  EXPECT_EQ(page->items.at(0).id.size(), 36U);
}

// ---- attempts ---------------------------------------------------------------------------------------------------------------

class AttemptsTest : public StateTest {
 protected:
  model::Attempt attempt(std::uint64_t of, int n,
                         model::AttemptOutcome outcome = model::AttemptOutcome::delivered) {
    model::Attempt made;
    made.stream = stream(of);
    made.event = {{1, static_cast<std::uint64_t>(n)}};
    made.event_type = n % 2 == 0 ? "grade_change" : "quiz_submitted";
    made.outcome = outcome;
    made.at = clock.wall();
    made.status = 200;
    made.took = std::chrono::milliseconds(12);
    made.timing.tls = std::chrono::microseconds(77);
    made.address = "203.0.113.7:443";
    made.response_headers = "Server: x\n";
    made.response_body = "ok " + std::to_string(n);
    made.reused = true;
    return made;
  }
  std::vector<std::uint64_t> look(AttemptQuery query) {
    std::vector<std::uint64_t> seen;
    do {
      auto const page = wait(store->attempts(query));
      EXPECT_TRUE(page);
      EXPECT_LE(page->items.size(), query.limit);
      for (auto const& one : page->items) seen.push_back(one.event.uuid.low);
      query.after = page->next;
    } while (!query.after.empty());
    return seen;
  }
};

TEST_F(AttemptsTest, shows_attempts_of_one_stream_newest_first_across_blocks_files_and_restarts) {
  settings.attempts_block_bytes = 2'000;
  settings.attempts_segment_bytes = 4'000;
  open();
  for (int i = 0; i < 500; ++i) {
    store->add_attempt(attempt(1 + static_cast<std::uint64_t>(i % 3), i));
    clock.advance(std::chrono::milliseconds(10));
  }

  for (int round = 0; round < 2; ++round) {
    AttemptQuery query{stream(1), {}, {}, {}, {}, {}, 7};
    auto const seen = look(query);
    ASSERT_EQ(seen.size(), 167U);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], 498 - 3 * i);
    reopen();
  }
  EXPECT_GT(std::ranges::count_if(*files.list("/data"),
                                  [](auto const& name) {
                                    return name.starts_with("attempts-") && name.ends_with(".db");
                                  }),
            1);
}

TEST_F(AttemptsTest, gives_back_every_field) {
  open();
  auto const made = attempt(1, 4);
  store->add_attempt(made);

  auto const page = wait(store->attempts({stream(1), {}, {}, {}, {}, {}, 10}));

  ASSERT_EQ(page->items.size(), 1U);
  auto const& kept = page->items[0];
  EXPECT_EQ(kept.at, made.at);
  EXPECT_EQ(kept.took, made.took);
  EXPECT_EQ(kept.timing.tls, made.timing.tls);
  EXPECT_EQ(kept.address, made.address);
  EXPECT_EQ(kept.response_body, made.response_body);
  EXPECT_EQ(kept.response_headers, made.response_headers);
  EXPECT_TRUE(kept.reused);
  EXPECT_FALSE(kept.resent);
}

TEST_F(AttemptsTest, chooses_by_outcome_type_event_and_time) {
  open();
  using model::AttemptOutcome;
  for (int i = 0; i < 30; ++i) {
    store->add_attempt(
        attempt(1, i,
                i % 3 == 0 ? AttemptOutcome::delivered
                           : (i % 3 == 1 ? AttemptOutcome::failed : AttemptOutcome::waiting)));
    clock.advance(std::chrono::minutes(10));
  }

  EXPECT_EQ(look({stream(1), AttemptOutcome::delivered, {}, {}, {}, {}, 10}).size(), 10U);
  EXPECT_EQ(look({stream(1), AttemptOutcome::failed, {}, {}, {}, {}, 10}).size(), 20U);
  EXPECT_EQ(look({stream(1), {}, "quiz_submitted", {}, {}, {}, 10}).size(), 15U);
  EXPECT_EQ(look({stream(1), {}, {}, EventId{{1, 7}}, {}, {}, 10}),
            (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(look({stream(1), {}, {}, {}, clock.wall() - std::chrono::minutes(100), {}, 10}).size(),
            10U);
  EXPECT_EQ(wait(store->attempts({stream(1), {}, {}, {}, {}, "x", 10})).error().fault,
            Fault::invalid);
}

TEST_F(AttemptsTest, drops_and_counts_what_does_not_fit_its_queue) {
  settings.attempts_queued_bytes = 10'000;
  settings.attempts_block_bytes = 1 << 30;
  settings.attempts_wait = std::chrono::hours(1);
  open();

  for (int i = 0; i < 100; ++i) store->add_attempt(attempt(1, i));

  auto const dropped = settings.meters->attempts_dropped.value();
  EXPECT_GT(dropped, 30U);
  EXPECT_EQ(look({stream(1), {}, {}, {}, {}, {}, 100}).size() + dropped, 100U);
}

TEST_F(AttemptsTest, of_a_noisy_stream_leave_room_in_the_queue_for_those_of_others) {
  settings.attempts_queued_bytes = 100'000;
  settings.attempts_block_bytes = 1 << 30;
  settings.attempts_wait = std::chrono::hours(1);
  open();

  for (int i = 0; i < 2'000; ++i) store->add_attempt(attempt(1, i));
  for (std::uint64_t quiet = 2; quiet < 8; ++quiet)
    for (int i = 0; i < 10; ++i) store->add_attempt(attempt(quiet, i));

  for (std::uint64_t quiet = 2; quiet < 8; ++quiet)
    EXPECT_EQ(look({stream(quiet), {}, {}, {}, {}, {}, 100}).size(), 10U);
  EXPECT_GT(settings.meters->attempts_dropped.value(), 1'000U);
  for (int i = 0; i < 10; ++i) store->add_attempt(attempt(1, i));
  EXPECT_GT(look({stream(1), {}, {}, {}, {}, {}, 1'000}).size(), 100U)
      << "what was written no longer counts";
}

TEST_F(AttemptsTest, lets_go_of_old_files) {
  open();
  store->add_attempt(attempt(1, 1));
  static_cast<void>(look({stream(1), {}, {}, {}, {}, {}, 10}));
  clock.advance(std::chrono::hours(24 * 9));
  store->add_attempt(attempt(1, 2));
  static_cast<void>(look({stream(1), {}, {}, {}, {}, {}, 10}));
  clock.advance(std::chrono::hours(24));

  ASSERT_TRUE(wait(store->retain(clock.wall())));

  EXPECT_EQ(look({stream(1), {}, {}, {}, {}, {}, 10}).size(), 2U)
      << "written until a day after the file was begun, so kept 7 days from the next one's begin";
  clock.advance(std::chrono::hours(24 * 7));
  ASSERT_TRUE(wait(store->retain(clock.wall())));
  EXPECT_EQ(look({stream(1), {}, {}, {}, {}, {}, 10}).size(), 1U);
}

}  // namespace
}  // namespace millrace::store
