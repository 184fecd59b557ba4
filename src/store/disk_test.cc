// The store on a real disk, with its real threads and clock.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

class DiskTest : public StoreTest {
 protected:
  DiskTest() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-store-XXXXXX").string();
    check(::mkdtemp(name.data()) != nullptr, "a folder for the test can be made");
    settings.folder = name + "/data";
    settings.worker = io::thread_worker;
    settings.ticker = true;
    parent = name;
  }
  ~DiskTest() override {
    store.reset();
    std::filesystem::remove_all(parent);
  }
  void open_on_disk() {
    auto opened = open_folder(settings, disk, system_clock, system_random, log);
    ASSERT_TRUE(opened) << opened.error().what;
    store = std::move(*opened);
  }

  io::DiskFiles disk;
  io::SystemClock system_clock;
  io::SystemRandom system_random;
  std::string parent;
};

TEST_F(DiskTest, keeps_everything_over_a_restart_with_threads_segments_and_readers) {
  settings.segment_bytes = 2 << 20;
  settings.tail_bytes = 1 << 20;
  settings.cache_bytes = 1 << 20;
  open_on_disk();
  std::vector<std::optional<Result<Appended>>> answers(120);
  std::vector<std::optional<Result<std::vector<SharedBatch>>>> reads(20);
  for (std::size_t part = 0; part < 6; ++part) {
    io::TaskScope scope(loop.get_executor());
    for (std::size_t i = part * 20; i < part * 20 + 20; ++i)
      scope.start(
          keep(store->append(block(100, 1'000, "grade_change", static_cast<int>(i)), std::nullopt),
               answers[i]));
    for (auto& read : reads) scope.start(keep(store->read(store->range().oldest, {}), read));
    loop.restart();
    loop.run();
  }
  StreamDelta delta;
  delta.stream = {{1, 1}};
  delta.progress.cursor = {9, 9};
  std::vector<StreamDelta> deltas{delta};
  ASSERT_TRUE(wait(store->checkpoint(std::move(deltas))));
  for (auto const& answer : answers) ASSERT_TRUE(answer && *answer);

  for (int round = 0; round < 2; ++round) {
    std::size_t events = 0;
    for (auto const& batch : read_all(1)) events += batch->events.size();
    EXPECT_EQ(events, 12'000U);
    EXPECT_EQ(settings.meters->batches_damaged.value(), 0U);
    EXPECT_EQ(wait(store->load_streams())->at(0).progress.cursor.batch, 9U);
    ASSERT_TRUE(wait(store->close()));
    store.reset();
    open_on_disk();
  }
}

TEST_F(DiskTest, stores_attempts_after_a_second_without_being_asked) {
  settings.attempts_wait = std::chrono::milliseconds(1);
  open_on_disk();
  model::Attempt attempt;
  attempt.stream = {{1, 1}};
  store->add_attempt(attempt);
  store->add_attempt(attempt);

  EXPECT_EQ(wait(store->attempts({attempt.stream, {}, {}, {}, {}, {}, 10}))->items.size(), 2U);
}

TEST_F(DiskTest, says_that_descriptors_have_run_out_and_not_that_the_disk_is_full) {
  open_on_disk();
  ASSERT_TRUE(append(block(1)));
  ASSERT_TRUE(wait(store->close()));
  store.reset();
  // Once with all descriptors: a sanitizer looks at each type that it meets for the first time by means of one.
  {
    auto whole = open_folder(settings, disk, system_clock, system_random, log);
    ASSERT_TRUE(whole);
    ASSERT_TRUE(wait((*whole)->close()));
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  int const next = ::open("/dev/null", O_RDONLY);
  ::close(next);
  std::set<std::string> said;
  for (int more = 1; more < 12; ++more) {
    rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(next + more);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    auto opened = open_folder(settings, disk, system_clock, system_random, log);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    if (!opened) said.insert(opened.error().what);
  }

  EXPECT_FALSE(said.empty());
  for (auto const& line : said) {
    EXPECT_THAT(line, ::testing::HasSubstr("Too many open files"));
    EXPECT_THAT(line, ::testing::Not(::testing::HasSubstr("space")));
  }
}

TEST_F(DiskTest, refuses_a_second_opening_of_the_folder) {
  open_on_disk();

  auto const second = open_folder(settings, disk, system_clock, system_random, log);

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::conflict);
}

}  // namespace
}  // namespace millrace::store
