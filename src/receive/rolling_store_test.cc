#include "receive/rolling_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <map>

#include "receive/forgetful_files.h"
#include "testing/sim.h"

namespace millrace::receive {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr auto root = "/store";

Received event(int number, std::string name = "grade_change") {
  Received made;
  made.id = fmt::format("event-{}", number);
  made.key = "id " + made.id;
  made.name = std::move(name);
  made.json = fmt::format(R"({{"metadata":{{"n":{}}},"body":{{}}}})", number);
  made.accepted_at = made.event_at = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 19h;
  return made;
}

std::string unpacked(std::string const& frame) {
  auto const size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  std::string text(size == ZSTD_CONTENTSIZE_UNKNOWN ? 1 << 20 : size, '\0');
  auto const got = ZSTD_decompress(text.data(), text.size(), frame.data(), frame.size());
  EXPECT_FALSE(ZSTD_isError(got)) << ZSTD_getErrorName(got);
  text.resize(ZSTD_isError(got) ? 0 : got);
  return text;
}

// How often each line stands in the finished files.
std::map<std::string, int> filed(ForgetfulFiles const& files) {
  std::map<std::string, int> lines;
  for (auto const& [path, content] : files.under(root)) {
    if (!path.ends_with(".ndjson.zst")) continue;
    auto const text = unpacked(content);
    for (std::size_t at = 0; at < text.size();) {
      auto const end = text.find('\n', at);
      ++lines[text.substr(at, end - at)];
      at = end + 1;
    }
  }
  return lines;
}

std::uint64_t next_seed() {
  static std::uint64_t seed = 0;
  return ++seed;
}

struct Life {                     // one life of a receiver's store
  testing::Sim sim{next_seed()};  // names of files are drawn: no two lives draw the same
  std::vector<Error> broken;
  std::unique_ptr<EventStore> store;

  Result<void> open(ForgetfulFiles& files, RollingSettings settings = {}) {
    settings.folders = {root, std::string(root) + "/.spool"};
    auto opened = open_rolling({files, sim.clock(), sim.random(), sim.log(),
                                [this](Error e) { broken.push_back(std::move(e)); }},
                               settings, io::inline_worker(), io::inline_worker());
    if (!opened) return pass(opened);
    store = std::move(*opened);
    return {};
  }
  Result<Kept> put(Received what) { return sim.run(store->put(std::move(what))); }
  Result<void> close() { return sim.run(store->close()); }
};

TEST(RollingStoreTest, files_hold_each_event_by_date_and_type) {
  ForgetfulFiles files;
  Life run;
  ASSERT_TRUE(run.open(files));

  EXPECT_EQ(run.put(event(1)), Kept::stored);
  EXPECT_EQ(run.put(event(2)), Kept::stored);
  EXPECT_EQ(run.put(event(3, "../etc/x y")), Kept::stored);
  EXPECT_THAT(filed(files), IsEmpty());
  ASSERT_TRUE(run.close());

  std::vector<std::string> folders;
  for (auto const& [path, content] : files.under(root))
    if (path.ends_with(".zst")) folders.push_back(folder_of(path));
  EXPECT_THAT(folders, ElementsAre("/store/date=2026-11-21/event=%2E.%2Fetc%2Fx%20y",
                                   "/store/date=2026-11-21/event=grade_change"));
  EXPECT_THAT(filed(files), SizeIs(3));
}

TEST(RollingStoreTest, closes_files_when_their_time_is_over) {
  ForgetfulFiles files;
  Life run;
  ASSERT_TRUE(run.open(files));
  run.sim.start(run.store->keep());
  ASSERT_TRUE(run.put(event(1)));

  run.sim.advance(299s);
  EXPECT_THAT(filed(files), IsEmpty());
  run.sim.advance(2s);

  EXPECT_THAT(filed(files), SizeIs(1));
}

TEST(RollingStoreTest, closes_files_at_their_size) {
  ForgetfulFiles files;
  Life run;
  ASSERT_TRUE(run.open(files, {.folders = {}, .roll_bytes = 500}));

  for (int i = 0; i < 20; ++i) ASSERT_EQ(run.put(event(i)), Kept::stored);

  EXPECT_GE(filed(files).size(), 15U);
  ASSERT_TRUE(run.close());
  EXPECT_THAT(filed(files), SizeIs(20));
}

TEST(RollingStoreTest, drops_repeats_also_after_restarts) {
  ForgetfulFiles files;
  {
    Life run;
    ASSERT_TRUE(run.open(files));
    EXPECT_EQ(run.put(event(1)), Kept::stored);
    EXPECT_EQ(run.put(event(1)), Kept::repeat);
    ASSERT_TRUE(run.close());
    EXPECT_EQ(run.put(event(1)), Kept::repeat);
    EXPECT_EQ(run.put(event(2)), Kept::stored);  // ends without close()
  }
  Life again;
  ASSERT_TRUE(again.open(files));

  EXPECT_EQ(again.put(event(1)), Kept::repeat);
  EXPECT_EQ(again.put(event(2)), Kept::repeat);
  ASSERT_TRUE(again.close());

  EXPECT_THAT(filed(files), SizeIs(2));
  EXPECT_EQ(again.store->counts().repeats, 2U);
}

TEST(RollingStoreTest, remembers_a_bounded_number_of_events) {
  ForgetfulFiles files;
  RollingSettings const settings{.folders = {}, .roll_bytes = 500, .remember = 10};
  Life run;
  ASSERT_TRUE(run.open(files, settings));

  for (int i = 0; i < 100; ++i) ASSERT_EQ(run.put(event(i)), Kept::stored);
  ASSERT_TRUE(run.close());

  std::size_t bytes = 0;
  for (auto const& [path, content] : files.under(root))
    if (path.ends_with(".seen")) bytes += content.size();
  EXPECT_LT(bytes, 20 * 16U);
  EXPECT_EQ(run.put(event(99)), Kept::repeat);
  EXPECT_EQ(run.put(event(0)), Kept::stored);
}

TEST(RollingStoreTest, a_second_receiver_is_refused) {
  ForgetfulFiles files;
  Life run, other;
  ASSERT_TRUE(run.open(files));

  auto const opened = other.open(files);

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::conflict);
  EXPECT_THAT(opened.error().what, HasSubstr("--spool"));
}

TEST(RollingStoreTest, line_ends_inside_an_event_do_not_end_its_line) {
  ForgetfulFiles files;
  Life run;
  ASSERT_TRUE(run.open(files));
  auto pretty = event(1);
  pretty.json = "{\n  \"metadata\": {},\r\n  \"body\": {}\n}";

  ASSERT_TRUE(run.put(pretty));
  ASSERT_TRUE(run.close());

  EXPECT_THAT(filed(files),
              ElementsAre(std::pair(std::string("{   \"metadata\": {},    \"body\": {} }"), 1)));
}

TEST(RollingStoreTest, a_full_disk_refuses_and_recovers) {
  ForgetfulFiles files;
  Life run;
  ASSERT_TRUE(run.open(files));
  ASSERT_TRUE(run.put(event(1)));

  files.fail_at(0, Fault::busy);  // the write
  auto const refused = run.put(event(2));
  auto const stored = run.put(event(2));
  ASSERT_TRUE(run.close());

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::busy);
  EXPECT_EQ(stored, Kept::stored);
  EXPECT_THAT(run.broken, IsEmpty());
  EXPECT_THAT(filed(files), SizeIs(2));
}

TEST(RollingStoreTest, a_failed_sync_ends_it) {
  ForgetfulFiles files;
  Life run;
  ASSERT_TRUE(run.open(files));
  ASSERT_TRUE(run.put(event(1)));

  files.fail_at(1, Fault::io);  // the sync
  EXPECT_FALSE(run.put(event(2)));

  EXPECT_THAT(run.broken, SizeIs(1));
  EXPECT_FALSE(run.put(event(3)));
}

TEST(RollingStoreTest, a_flipped_bit_costs_its_line_and_is_told) {
  ForgetfulFiles files;
  {
    Life run;
    ASSERT_TRUE(run.open(files));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(run.put(event(i)));
  }
  {
    auto const spool = files.under("/store/.spool");
    auto const segment =
        std::ranges::find_if(spool, [](auto const& f) { return f.first.ends_with(".spool"); });
    ASSERT_NE(segment, spool.end());
    auto file = files.open(segment->first, io::OpenMode::write, 0);
    auto const second = segment->second.find("\"n\":1");
    ASSERT_TRUE((*file)->write(second + 1, as_bytes("N")));
  }
  Life again;
  ASSERT_TRUE(again.open(files));

  EXPECT_THAT(filed(files), SizeIs(2));
  EXPECT_THAT(again.sim.log().lines("cannot be read", LogLevel::warning),
              ElementsAre(HasSubstr(".damaged")));
}

// What a sender does: each event until it is answered for; some twice. Answers which were.
std::set<int> story(Life& run) {
  std::set<int> answered;
  for (int i = 0; i < 12; ++i) {
    if (run.put(event(i, i % 3 == 0 ? "a" : "b"))) answered.insert(i);
    if (i % 4 == 0 && run.put(event(i, i % 3 == 0 ? "a" : "b"))) answered.insert(i);
  }
  static_cast<void>(run.close());
  for (int i = 12; i < 15; ++i)
    if (run.put(event(i))) answered.insert(i);
  return answered;
}

struct Faults {
  int lost = 0, doubled = 0, not_opened = 0;
};

RollingSettings const small{.folders = {}, .roll_bytes = 600};

// After the trouble: what was answered for is there once, and all that the sender sends again is there once.
void check_after(ForgetfulFiles& files, std::set<int> const& answered, Faults& faults) {
  {
    Life again;
    if (!again.open(files, small)) return static_cast<void>(++faults.not_opened);
    auto const lines = filed(files);
    for (int const i : answered) faults.lost += lines.contains(event(i).json) ? 0 : 1;
    for (int i = 0; i < 15; ++i)
      if (!again.put(event(i, i % 3 == 0 && i < 12 ? "a" : "b"))) ++faults.lost;
    if (!again.close()) ++faults.not_opened;
  }
  auto const lines = filed(files);
  for (int i = 0; i < 15; ++i) {
    auto const it = lines.find(event(i).json);
    if (it == lines.end())
      ++faults.lost;
    else if (it->second > 1)
      ++faults.doubled;
  }
}

// Stops the machine at operation 0, 1, 2, … of the story, and, in turn, of the recovery too.
Faults sweep(ForgetfulFiles::Crash kind, bool lying_sync, std::uint64_t& reached) {
  Faults faults;
  for (reached = 0;; ++reached) {
    ForgetfulFiles files;
    files.lying_sync = lying_sync;
    std::set<int> answered;
    {
      Life run;
      files.stop_at(reached);
      if (run.open(files, small)) answered = story(run);
    }
    bool const stopped = files.stopped();
    files.crash(kind);
    {
      Life halfway;  // stops again while it recovers
      files.stop_at(reached % 37);
      static_cast<void>(halfway.open(files, small));
    }
    files.crash(kind);
    check_after(files, answered, faults);
    if (!stopped) return faults;
  }
}

class RollingSweep : public ::testing::TestWithParam<ForgetfulFiles::Crash> {};

TEST_P(RollingSweep, no_event_is_lost_or_doubled_wherever_the_machine_stops) {
  std::uint64_t reached = 0;

  auto const faults = sweep(GetParam(), false, reached);

  EXPECT_EQ(faults.lost, 0);
  EXPECT_EQ(faults.doubled, 0);
  EXPECT_EQ(faults.not_opened, 0);
  EXPECT_GT(reached, 100U) << "the story is long enough to mean something";
}

INSTANTIATE_TEST_SUITE_P(Crashes, RollingSweep,
                         ::testing::Values(ForgetfulFiles::Crash::nothing,
                                           ForgetfulFiles::Crash::all,
                                           ForgetfulFiles::Crash::torn));

TEST(RollingStoreTest, the_sweep_notices_a_disk_that_does_not_sync) {
  std::uint64_t reached = 0;

  auto const faults = sweep(ForgetfulFiles::Crash::nothing, true, reached);

  EXPECT_GT(faults.lost, 0);
}

TEST(RollingStoreTest, no_event_is_lost_or_doubled_whichever_operation_fails) {
  for (auto const fault : {Fault::busy, Fault::io}) {
    for (std::uint64_t at = 0;; ++at) {
      ForgetfulFiles files;
      std::set<int> answered;
      {
        Life run;
        files.fail_at(at, fault);
        if (run.open(files, small)) answered = story(run);
      }
      bool const failed = files.failed();
      files.crash(ForgetfulFiles::Crash::nothing);
      Faults faults;
      check_after(files, answered, faults);
      ASSERT_EQ(faults.lost, 0) << "operation " << at;
      ASSERT_EQ(faults.doubled, 0) << "operation " << at;
      ASSERT_EQ(faults.not_opened, 0) << "operation " << at;
      if (!failed) break;
    }
  }
}

TEST(RollingStoreTest, a_file_that_was_taken_away_does_not_come_back) {
  // Stopped between the renames and the end of the segment: whoever consumes the files has them already.
  for (std::uint64_t at = 0; at < 200; ++at) {
    ForgetfulFiles files;
    {
      Life run;
      ASSERT_TRUE(run.open(files));
      ASSERT_TRUE(run.put(event(1)));
      files.stop_at(at);
      static_cast<void>(run.close());
    }
    bool const stopped = files.stopped();
    files.crash(ForgetfulFiles::Crash::all);
    auto const before = filed(files);
    for (auto const& [path, content] : files.under(root))
      if (path.ends_with(".ndjson.zst")) ASSERT_TRUE(files.remove(path));

    Life again;
    ASSERT_TRUE(again.open(files));
    EXPECT_EQ(before.size() + filed(files).size(), 1U) << "stopped at " << at;
    if (!stopped) break;
  }
}

}  // namespace
}  // namespace millrace::receive
