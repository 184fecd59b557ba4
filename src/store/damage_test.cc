// What a broken disk costs: as little as can be, and said.
#include <gmock/gmock.h>

#include "store/database.h"
#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using ::testing::HasSubstr;

class DamageTest : public StoreTest {
 protected:
  DamageTest() {
    settings.segment_bytes = 192 * 1024;
    settings.cache_bytes = 0;
    settings.tail_bytes = 0;
  }
  void fill(int batches) {
    open();
    for (int i = 0; i < batches; ++i) ASSERT_TRUE(append(block(40, 1000, "grade_change", i)));
    ASSERT_TRUE(wait(store->close()));
    store.reset();
  }
  std::vector<std::string> segments() {
    std::vector<std::string> found;
    for (auto const& name : *files.list("/data"))
      if (name.starts_with("log-") && name.ends_with(".seg")) found.push_back("/data/" + name);
    return found;
  }
  bool is_true(SharedBatch const& batch) {
    return batch->events.bytes() ==
           block(40, 1000, "grade_change", static_cast<int>(batch->number) - 1).bytes();
  }
};

TEST_F(DamageTest, a_flipped_bit_in_a_sealed_segment_costs_the_batch_that_it_hit) {
  fill(40);
  auto const path = segments().front();
  auto const size = files.size_of(path);
  for (std::uint64_t at = 4'096; at < size; at += 9'973) {
    SCOPED_TRACE(at);
    files.flip_bit(path, at, 3);
    open();

    auto const batches = read_all(1);

    EXPECT_GE(batches.size(), 39U);
    EXPECT_EQ(batches.size() + settings.meters->batches_damaged.value(), 40U);
    EXPECT_TRUE(std::ranges::all_of(batches, [&](auto const& batch) { return is_true(batch); }));
    store.reset();
    files.flip_bit(path, at, 3);
  }
  EXPECT_GT(log.count("record batches are damaged: their events are lost from_batch="), 1);
}

TEST_F(DamageTest, any_flipped_bit_is_found_and_nothing_wrong_is_given_out) {
  fill(20);
  auto const path = segments().front();
  auto const size = files.size_of(path);
  for (std::uint64_t at = 100; at < size; at += 4'999) {
    SCOPED_TRACE(at);
    files.flip_bit(path, at, static_cast<unsigned>(at % 8));
    if (auto const opened = try_open(); opened) {
      auto const batches = read_all(1, true);
      EXPECT_TRUE(std::ranges::all_of(batches, [&](auto const& batch) { return is_true(batch); }));
      EXPECT_GT(batches.size(), 3U) << "what other segments hold is there";
      store.reset();
    }
    files.flip_bit(path, at, static_cast<unsigned>(at % 8));
  }
}

TEST_F(DamageTest, a_missing_segment_costs_its_batches_and_one_sentence) {
  fill(40);
  auto const all = segments();
  ASSERT_GE(all.size(), 3U);
  ASSERT_TRUE(files.remove(all[1]));
  open();

  auto const batches = read_all(1);

  EXPECT_LT(batches.size(), 40U);
  EXPECT_EQ(batches.size() + settings.meters->batches_damaged.value(), 40U);
  EXPECT_EQ(log.count("record batches are damaged"), 1);
}

TEST_F(DamageTest, a_cut_segment_costs_what_was_cut) {
  fill(40);
  auto const path = segments().front();
  files.cut(path, files.size_of(path) / 2);
  open();

  auto const batches = read_all(1);

  EXPECT_GT(batches.size(), 25U);
  EXPECT_EQ(batches.size() + settings.meters->batches_damaged.value(), 40U);
  EXPECT_TRUE(std::ranges::all_of(batches, [&](auto const& batch) { return is_true(batch); }));
}

TEST_F(DamageTest, a_log_whose_end_is_gone_says_so_and_gives_no_position_twice) {
  fill(40);
  files.cut(segments().back(), 40'000);
  open();

  auto const appended = append(block(1));

  ASSERT_TRUE(appended);
  EXPECT_GT(appended->first.batch, 40U);
  EXPECT_EQ(log.count("the event log ends too early: what followed is lost"), 1);
  auto const batches = read_all(1);
  EXPECT_EQ(batches.back()->number, appended->first.batch);
  EXPECT_GT(batches.size(), 30U);
  // The numbers that were stepped over never were.
  EXPECT_EQ(batches.size() - 1 + settings.meters->batches_damaged.value(), 40U);
  store.reset();
  open();
  EXPECT_EQ(read_all(1).size(), batches.size());
  EXPECT_EQ(batches.size() - 1 + settings.meters->batches_damaged.value(), 40U);
}

TEST_F(DamageTest, a_damaged_end_is_stepped_over_once_however_often_it_is_opened) {
  fill(40);
  files.cut(segments().back(), 40'000);
  open();
  auto const next = store->range().next;

  for (int i = 0; i < 3; ++i) {
    static_cast<void>(read_all(1));
    EXPECT_LT(settings.meters->batches_damaged.value(), 40U);
    reopen();
    EXPECT_EQ(store->range().next, next);
  }

  EXPECT_EQ(log.count("the event log ends too early"), 1);
}

TEST_F(DamageTest, a_damaged_end_on_a_full_disk_counts_nothing_that_never_was) {
  fill(40);
  files.cut(segments().back(), files.size_of(segments().back()) / 2);
  files.limit_space(files.used_space());
  open();
  StreamDelta delta;
  delta.stream = {{1, 1}};
  static_cast<void>(wait(store->checkpoint({delta})));
  static_cast<void>(read_all(1));
  EXPECT_LE(settings.meters->batches_damaged.value(), 40U);
  files.limit_space(1ULL << 40);
  clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(wait(store->checkpoint({delta})));
  reopen();

  ASSERT_TRUE(append(block(1)));

  static_cast<void>(read_all(1));
  EXPECT_LE(settings.meters->batches_damaged.value(), 40U);
}

TEST_F(DamageTest, repeat_keys_that_cannot_be_read_are_told_and_the_others_known) {
  open();
  auto const keyed = [this](int n) {
    return append(block(40, 1000, "grade_change", n),
                  RepeatKey{"key-" + std::to_string(n), std::string(32, 'h'), "stored",
                            std::chrono::hours(24)});
  };
  for (int n = 0; n < 40; ++n) ASSERT_TRUE(keyed(n));
  ASSERT_TRUE(wait(store->close()));
  store.reset();
  files.flip_bit(segments().front(), files.read_all(segments().front(), 1U << 30)->find("key-0"));

  open();

  EXPECT_EQ(log.count("repeat keys cannot be read"), 1);
  EXPECT_FALSE(keyed(0)->repeated);
  EXPECT_TRUE(keyed(39)->repeated);
}

TEST_F(DamageTest, a_commit_that_was_not_finished_is_cut_off_and_told_once) {
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(block(40, 1000, "grade_change", i)));
  store.reset();
  auto const path = segments().back();
  files.cut(path, files.size_of(path) - 100);
  auto const torn = *files.read_all(path, 1U << 30);

  open();

  // It is gone from the file, too: a later damage of the footer does not bring it back.
  EXPECT_FALSE(files.read_all(path, 1U << 30)->starts_with(torn));

  EXPECT_EQ(log.count("a commit that was not finished: it is cut off"), 1);
  EXPECT_EQ(log.count("batches=1 events=40"), 1) << log.all();
  EXPECT_EQ(read_all(1).size(), 2U);
  EXPECT_EQ(append(block(1))->first.batch, 3U);
  reopen();
  EXPECT_EQ(read_all(1).size(), 3U);
  EXPECT_EQ(log.count("it is cut off"), 1);
  EXPECT_EQ(settings.meters->batches_damaged.value(), 0U);
}

TEST_F(DamageTest, a_flipped_bit_in_the_newest_segment_costs_its_batch_though_nothing_was_sealed) {
  open();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(append(block(40, 1000, "grade_change", i)));
  store.reset();
  auto const path = segments().back();
  files.flip_bit(path, 4'096 + 200);

  open();

  auto const batches = read_all(1);
  ASSERT_EQ(batches.size(), 5U);
  EXPECT_EQ(batches.front()->number, 2U);
  EXPECT_EQ(settings.meters->batches_damaged.value(), 1U);
  EXPECT_EQ(log.count("record batches are damaged: their events are lost from_batch=1"), 1);
}

TEST_F(DamageTest, each_start_writes_to_a_file_of_its_own) {
  for (int i = 0; i < 4; ++i) {
    open();
    ASSERT_TRUE(append(block(1, 300, "grade_change", i)));
    auto const before = files.read_all(segments().front(), 1U << 20);
    store.reset();
    EXPECT_EQ(segments().size(), static_cast<std::size_t>(i + 1));
  }

  open();

  EXPECT_EQ(read_all(1).size(), 4U);
  EXPECT_EQ(segments().size(), 4U);
}

// One code of SQLite stands for many troubles: the disk's own words are what people read.
TEST_F(DamageTest, says_what_the_disk_said) {
  settings.least_free_bytes = 0;
  open();
  files.fail_at(files.operations(), Fault::busy);

  auto const refused = append(block(1));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::busy);
  EXPECT_THAT(refused.error().what, HasSubstr("fails as it was told"));
}

TEST_F(DamageTest, a_newest_segment_that_is_none_is_left_as_it_is) {
  fill(40);
  auto const path = segments().back();
  ASSERT_TRUE(files.write_all(path, std::string(40'000, 'x')));
  open();

  ASSERT_TRUE(append(block(1)));

  EXPECT_EQ(log.count("log segment cannot be read"), 1);
  EXPECT_GT(read_all(1).size(), 25U);
  EXPECT_EQ(files.size_of(path), 40'000U);
}

TEST_F(DamageTest, refuses_files_of_a_newer_version_in_one_sentence) {
  fill(1);
  SqliteVfs const vfs(files, [](std::string const&) {});
  DatabaseOptions options;
  options.checkpoint_bytes = 1 << 20;
  ASSERT_TRUE((*Database::open(vfs, "/data/state.db", options))->run("PRAGMA user_version=999"));

  auto const opened = try_open();

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::invalid);
  EXPECT_THAT(opened.error().what, HasSubstr("was made by a newer version of Millrace"));
}

TEST_F(DamageTest, a_full_disk_refuses_events_keeps_checkpoints_and_recovers_by_itself) {
  settings.reserve_bytes = 4 << 20;
  settings.least_free_bytes = 1 << 20;
  files.limit_space(200 << 20);
  open();
  ASSERT_TRUE(append(block(1)));
  ASSERT_GE(files.used_space(), 4U << 20);

  files.limit_space(files.used_space() + 1000);
  clock.advance(std::chrono::seconds(1));
  auto const refused = append(block(1));
  StreamDelta delta;
  delta.stream = {{1, 1}};
  auto const marked = wait(store->checkpoint({delta}));
  files.limit_space(200 << 20);
  clock.advance(std::chrono::seconds(1));
  auto const taken = append(block(1));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::busy);
  EXPECT_TRUE(marked) << marked.error().what;
  EXPECT_TRUE(taken) << taken.error().what;
  EXPECT_TRUE(fatal_lines.empty());
  EXPECT_EQ(log.count("disk has room again"), 1);
  EXPECT_EQ(read_all(1).size(), 2U);
}

TEST_F(DamageTest, a_start_on_a_full_disk_goes_on_with_the_reserve_of_the_process_before) {
  settings.reserve_bytes = 4 << 20;
  settings.least_free_bytes = 1 << 20;
  files.limit_space(200 << 20);
  open();
  StreamDelta delta;
  delta.stream = {{1, 1}};
  delta.progress.cursor = {7, 0};
  ASSERT_TRUE(wait(store->checkpoint({delta})));
  files.stop();
  store.reset();
  files.restart(1);
  files.limit_space(files.used_space() + 1000);

  open();

  EXPECT_EQ(wait(store->load_streams())->at(0).progress.cursor.batch, 7U);
  delta.progress.cursor = {8, 0};
  EXPECT_TRUE(wait(store->checkpoint({delta})));
  EXPECT_FALSE(*files.exists("/data/reserve.bin"));
  EXPECT_THAT(store->refuses(), HasSubstr("disk is nearly full"));
}

TEST_F(DamageTest, a_start_on_a_full_disk_without_a_reserve_reads_what_it_cannot_fold) {
  settings.least_free_bytes = 1 << 20;
  open();
  StreamDelta delta;
  delta.stream = {{1, 1}};
  delta.progress.cursor = {7, 0};
  delta.retries.resize(2);
  delta.retries[0].work.at = {5, 1};
  delta.retries[1].work.at = {6, 1};
  ASSERT_TRUE(wait(store->checkpoint({delta})));
  delta.retries = {};
  delta.retries_ended = {{.at = {5, 1}}};
  ASSERT_TRUE(wait(store->checkpoint({delta})));
  files.stop();
  store.reset();
  files.restart(1);
  files.limit_space(files.used_space());

  open();

  auto const streams = wait(store->load_streams());
  ASSERT_TRUE(streams) << streams.error().what;
  EXPECT_EQ(streams->at(0).progress.cursor.batch, 7U);
  ASSERT_EQ(streams->at(0).retries.size(), 1U);
  EXPECT_EQ(streams->at(0).retries[0].work.at.batch, 6U);
}

// A node that takes nothing says so, and sees by itself when it can again.
TEST_F(DamageTest, says_why_it_refuses_events_for_as_long_as_it_does) {
  settings.least_free_bytes = 0;
  open();
  ASSERT_TRUE(append(block(40, 1000)));
  EXPECT_EQ(store->refuses(), "");
  files.limit_space(files.used_space());
  ASSERT_FALSE(append(block(1)));

  for (int i = 0; i < 3; ++i) {
    clock.advance(std::chrono::seconds(2));
    EXPECT_THAT(store->refuses(), HasSubstr("no space left on device"));
  }
  files.limit_space(1ULL << 40);
  clock.advance(std::chrono::seconds(2));
  static_cast<void>(store->refuses());

  EXPECT_EQ(store->refuses(), "");
  EXPECT_EQ(read_all(1).size(), 1U);
  ASSERT_TRUE(append(block(1)));
  reopen();
  EXPECT_EQ(read_all(1).size(), 2U);
}

TEST_F(DamageTest, a_write_that_finds_the_disk_full_is_refused_whole) {
  settings.least_free_bytes = 0;
  open();
  ASSERT_TRUE(append(block(40, 1000)));
  files.limit_space(files.used_space() + 20'000);

  auto const refused = append(block(40, 1000));
  files.limit_space(1ULL << 40);
  auto const taken = append(block(40, 1000));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::busy);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->first.batch, 2U);
  reopen();
  EXPECT_EQ(read_all(1).size(), 2U);
}

TEST_F(DamageTest, a_failed_sync_is_fatal_and_nothing_is_answered_as_stored) {
  open();
  ASSERT_TRUE(append(block(1)));
  // A commit is written, then synced.
  std::optional<Result<Appended>> answer;
  for (std::uint64_t ahead = 0; fatal_lines.empty() && ahead < 10; ++ahead) {
    files.fail_at(files.operations() + ahead);
    answer = append(block(1));
  }

  EXPECT_EQ(fatal_lines.size(), 1U);
  EXPECT_THAT(fatal_lines.at(0), HasSubstr("log-00000000000000000001.seg"));
  EXPECT_FALSE(*answer);
}

}  // namespace
}  // namespace millrace::store
