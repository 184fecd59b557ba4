// The promise of the store, swept: one story is run again and again, each time with the next disk operation failing or the machine
// stopping there. After each restart everything that was answered is there, whole, and nothing is there by half.
#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

enum class Trouble { machine_stops, operation_fails, disk_is_full };

class SweepTest : public StoreTest {
 protected:
  struct Said {  // one append
    std::string bytes;
    std::optional<Position> first;  // answered
  };

  SweepTest() {
    settings.segment_bytes = 64 * 1024;
    settings.tail_bytes = 16 * 1024;
    settings.cache_bytes = 0;
    settings.journal_bytes = 2'000;
    settings.attempts_wait = std::chrono::seconds(0);
    settings.fatal = [this](std::string const& line) {
      fatal_lines.push_back(line);
      files.stop();  // where the real one ends the process
    };
  }

  static StreamId stream(std::uint64_t n) { return {{n, n}}; }

  // Checkpoint number k: every part of it says k, so that half of one shows.
  static std::vector<StreamDelta> deltas(std::uint64_t k) {
    std::vector<StreamDelta> made;
    for (std::uint64_t n = 1; n <= 2; ++n) {
      StreamDelta delta;
      delta.stream = stream(n);
      delta.progress.cursor = {k + 1, 0};
      delta.progress.counters.delivered = k;
      delta.progress.filters = {{1, {"*"}, "account-a"}};
      Retry retry;
      retry.work.at = {k, 7};
      retry.kid = std::to_string(k);
      delta.retries = {retry};
      if (k > 1) delta.retries_ended = {{.at = {k - 1, 7}}};
      Undelivered event;
      event.work.at = {k, 3};
      event.kind = {"account-a", "grade_change"};
      event.payload = "{}";
      delta.undelivered = {event};
      delta.ledger = {{1'000, 1, 2, 3, 4}};
      made.push_back(std::move(delta));
    }
    return made;
  }

  void say(int n, std::optional<RepeatKey> repeat = std::nullopt) {
    auto events = block(12, 900, "grade_change", n);
    said.push_back({events.bytes(), std::nullopt});
    auto const answer = append(std::move(events), std::move(repeat));
    if (answer) said.back().first = answer->first;
  }
  void note(std::uint64_t version) {
    auto const text = std::to_string(version);
    bool const done = wait(store->change({{"things", "a", text, std::nullopt},
                                          {"things", "b", text, std::nullopt}}))
                          .has_value();
    noted_most = version;
    if (done) noted = version;
  }
  void mark(std::uint64_t k) {
    marked_most = k;
    if (wait(store->checkpoint(deltas(k)))) marked = k;
  }
  static RepeatKey key() {
    return {"token/once", std::string(32, 'h'), "stored", std::chrono::hours(1)};
  }

  // True: it came to its end without trouble.
  bool tell_story() {
    if (!try_open()) return false;
    std::uint64_t k = 0;
    for (int n = 0; n < 9; ++n) {
      say(n, n == 2 ? std::optional(key()) : std::nullopt);
      clock.advance(std::chrono::milliseconds(100));
      if (n % 3 == 1) note(++notes);
      if (n % 2 == 1 && (marked == k || k == 0))
        mark(++k);  // a dispatcher says the same again until it is taken
      else if (n % 2 == 1)
        mark(k);
      if (files.is_stopped()) return false;
    }
    model::Attempt attempt;
    attempt.stream = stream(1);
    store->add_attempt(attempt);
    attempts_shown = wait(store->attempts({stream(1), {}, {}, {}, {}, {}, 10}))
                         .value_or(Page<model::Attempt>())
                         .items.size();
    bool const closed = wait(store->close()).has_value();
    return closed && !files.is_stopped();
  }

  // How many promises were broken; each is said, where they are expected to hold.
  int check_promises(bool expected) {
    int broken = 0;
    auto const claim = [&](bool holds, std::string_view what) {
      if (holds) return;
      ++broken;
      if (expected) ADD_FAILURE() << what << "\n" << log.all();
    };
    if (auto const opened = try_open(); !opened) {
      claim(false, "the store opens again: " + opened.error().what);
      return broken;
    }
    auto const batches = read_all(store->range().oldest, !expected);
    claim(settings.meters->batches_damaged.value() == 0, "no batch is damaged");
    std::map<std::uint64_t, std::string> by_number;
    for (auto const& batch : batches) by_number[batch->number] = batch->events.bytes();
    std::size_t kept = 0;
    for (auto const& one : said) {
      auto const times = std::ranges::count_if(
          by_number, [&](auto const& entry) { return entry.second == one.bytes; });
      kept += static_cast<std::size_t>(times);
      claim(times <= 1, "an append is stored once");
      if (one.first)
        claim(by_number[one.first->batch] == one.bytes,
              "an answered append stands where it was said to");
    }
    claim(kept == batches.size(), "the log holds whole appends and nothing else");
    if (said.size() > 2) {
      auto const again = append(block(12, 900, "grade_change", 2), key());
      claim(again.has_value(), "an append is taken after the restart");
      if (said[2].first && again)
        claim(again->repeated && again->first == *said[2].first,
              "a repeat is known after the restart");
      auto const all = read_all(store->range().oldest, !expected);
      claim(
          std::ranges::count_if(
              all, [&](auto const& batch) { return batch->events.bytes() == said[2].bytes; }) == 1,
          "a repeat is stored once");
    }

    auto const things = wait(store->records("things"));
    claim(things.has_value(), "records can be read");
    auto const value = [&](std::size_t i) {
      return things && i < things->size() ? std::stoull((*things)[i].value) : 0;
    };
    claim(value(0) == value(1), "a change is whole");
    claim(value(0) >= noted && value(0) <= noted_most, "an answered change is there");

    auto const streams = wait(store->load_streams());
    claim(streams.has_value(), "the state of streams can be read");
    std::uint64_t const k =
        streams && !streams->empty() ? streams->front().progress.counters.delivered : 0;
    claim(k >= marked && k <= marked_most, "an answered checkpoint is there");
    if (streams && k > 0) {
      claim(streams->size() == 2, "a checkpoint is of all streams");
      for (auto const& state : *streams) {
        claim(state.progress.counters.delivered == k && state.progress.cursor.batch == k + 1,
              "a checkpoint is whole: progress");
        claim(state.retries.size() == 1 && state.retries[0].work.at.batch == k &&
                  state.retries[0].kid == std::to_string(k),
              "a checkpoint is whole: retries");
        claim(state.undelivered == k, "a checkpoint is whole: undelivered");
        auto const minutes = wait(store->ledger(state.stream, 0, 2'000));
        claim(minutes && minutes->size() == 1 && minutes->front().delivered >= k,
              "a checkpoint is whole: ledger");
      }
    }
    auto const attempts = wait(store->attempts({stream(1), {}, {}, {}, {}, {}, 10}));
    claim(attempts && attempts->items.size() >= attempts_shown,
          "an attempt that was shown is there");
    store.reset();
    return broken;
  }

  void fresh_disk() {
    store.reset();
    files.replace_disk();
    said.clear();
    noted = noted_most = marked = marked_most = notes = 0;
    attempts_shown = 0;
    fatal_lines.clear();
  }

  // Runs the story with trouble at each operation in turn; answers how many promises were broken in all.
  int sweep(Trouble trouble, std::uint64_t stride, bool expected) {
    int broken = 0;
    for (std::uint64_t n = 0;; n += stride) {
      SCOPED_TRACE(fmt::format("trouble {} at operation {}", static_cast<int>(trouble), n));
      fresh_disk();
      if (trouble == Trouble::machine_stops)
        files.stop_at(n);
      else
        files.fail_at(n, trouble == Trouble::disk_is_full ? Fault::busy : Fault::io);
      tell_story();
      bool const reached =
          trouble == Trouble::machine_stops ? files.is_stopped() : files.has_failed();
      store.reset();
      files.restart(n * 31 + 7);
      // The machine stops once more, while the store opens.
      files.stop_at(n % 53);
      static_cast<void>(try_open());
      store.reset();
      files.restart(n * 17 + 3);
      fatal_lines.clear();
      broken += check_promises(expected);
      if (!reached) break;
      if (expected && broken > 0) break;
      reached_most = n;
    }
    return broken;
  }

  std::vector<Said> said;
  std::uint64_t noted = 0, noted_most = 0, marked = 0, marked_most = 0, notes = 0;
  std::size_t attempts_shown = 0;
  std::uint64_t reached_most = 0;
};

TEST_F(SweepTest, tells_its_story_when_nothing_goes_wrong) {
  ASSERT_TRUE(tell_story());

  EXPECT_EQ(marked, 4U);
  auto const names = *files.list("/data");
  auto const is_segment = [](std::string const& name) {
    return name.starts_with("log-") && name.ends_with(".seg");
  };
  EXPECT_GT(std::ranges::count_if(names, is_segment), 1);
  store.reset();
  files.restart(1);
  EXPECT_EQ(check_promises(true), 0);
}

TEST_F(SweepTest, keeps_its_promises_wherever_the_machine_stops) {
  EXPECT_EQ(sweep(Trouble::machine_stops, 1, true), 0);
  EXPECT_GT(reached_most, 200U);
}

TEST_F(SweepTest, keeps_its_promises_whichever_operation_fails) {
  EXPECT_EQ(sweep(Trouble::operation_fails, 1, true), 0);
  EXPECT_GT(reached_most, 200U);
}

TEST_F(SweepTest, keeps_its_promises_whenever_the_disk_is_full) {
  EXPECT_EQ(sweep(Trouble::disk_is_full, 1, true), 0);
  EXPECT_GT(reached_most, 200U);
}

// The sweep can fail: without syncs it finds what is lost.
TEST_F(SweepTest, finds_what_is_lost_when_nothing_is_synced) {
  settings.durable = false;

  EXPECT_GT(sweep(Trouble::machine_stops, 7, false), 0);
}

}  // namespace
}  // namespace millrace::store
