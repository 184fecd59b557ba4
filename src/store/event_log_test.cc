#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using ::testing::HasSubstr;

class EventLogTest : public StoreTest {
 protected:
  static RepeatKey key(std::string name, std::string hash = std::string(32, 'h')) {
    return {std::move(name), std::move(hash), "the answer", std::chrono::hours(24)};
  }
};

TEST_F(EventLogTest, gives_back_what_was_appended_byte_for_byte) {
  open();
  auto const events = block(5);

  auto const appended = append(block(5));

  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->first, (Position{1, 0}));
  for (int round = 0; round < 2; ++round) {
    auto const batches = read_all(1);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_EQ(batches[0]->events.bytes(), events.bytes());
    EXPECT_EQ(batches[0]->events.kinds().at(0).events, 5U);
    EXPECT_EQ(batches[0]->events[3].metadata(), events[3].metadata());
    EXPECT_EQ(batches[0]->first_id.low & 0xFFFF, 0U);
    EXPECT_EQ(batches[0]->accepted_at, batches[0]->first_id.time());
    EXPECT_EQ(store->range().next, 2U);
    reopen();
  }
}

TEST_F(EventLogTest, splits_a_large_block_into_batches_and_keeps_its_order) {
  settings.batch_bytes = 4096;
  open();

  ASSERT_TRUE(append(block(100)));

  auto const batches = read_all(1);
  EXPECT_GT(batches.size(), 5U);
  std::string all;
  for (auto const& batch : batches) {
    EXPECT_LE(batch->events.payload_bytes(), 4096U);
    all += batch->events.bytes();
  }
  EXPECT_EQ(all, block(100).bytes());
}

TEST_F(EventLogTest, gives_an_event_larger_than_a_batch_one_of_its_own) {
  settings.batch_bytes = 4096;
  open();
  auto events = block(1);
  events.add("a", "big", "{}", "{\"x\":\"" + std::string(1'000'000, 'x') + "\"}");
  events.add("a", "small", "{}", "{}");

  ASSERT_TRUE(append(std::move(events)));

  auto const batches = read_all(1);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[1]->events.size(), 1U);
}

TEST_F(EventLogTest, stores_a_repeat_once_also_after_a_restart) {
  open();
  auto const first = append(block(3), key("token/k1"));
  ASSERT_TRUE(first);

  for (int round = 0; round < 2; ++round) {
    auto const again = append(block(3), key("token/k1"));
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->repeated);
    EXPECT_EQ(again->first, first->first);
    EXPECT_EQ(again->answer, "the answer");
    auto const other = append(block(3), key("token/k1", std::string(32, 'x')));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().fault, Fault::conflict);
    reopen();
  }
  EXPECT_EQ(store->range().next, 2U);
}

TEST_F(EventLogTest, forgets_a_repeat_after_its_time) {
  open();
  ASSERT_TRUE(append(block(1), key("k")));

  clock.advance(std::chrono::hours(25));

  EXPECT_FALSE(append(block(1), key("k"))->repeated);
  reopen();
  EXPECT_TRUE(append(block(1), key("k"))->repeated);
}

TEST_F(EventLogTest, begins_a_new_segment_when_one_is_full_and_reads_across) {
  settings.segment_bytes = 256 * 1024;
  settings.tail_bytes = 0;
  settings.cache_bytes = 0;
  open();
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(append(block(40, 1000, "grade_change", i)));

  for (int round = 0; round < 2; ++round) {
    auto const batches = read_all(1);
    ASSERT_EQ(batches.size(), 60U);
    for (std::size_t i = 0; i < 60; ++i)
      EXPECT_EQ(batches[i]->events.bytes(),
                block(40, 1000, "grade_change", static_cast<int>(i)).bytes());
    auto const names = *files.list("/data");
    EXPECT_GT(std::ranges::count_if(names,
                                    [](auto const& name) {
                                      return name.starts_with("log-") && name.ends_with(".seg");
                                    }),
              3);
    // Nothing stands beside them.
    EXPECT_LE(std::ranges::count_if(names,
                                    [](auto const& name) {
                                      return name.starts_with("log-") && name.ends_with("-wal");
                                    }),
              0);
    reopen();
  }
}

TEST_F(EventLogTest, many_small_commits_make_neither_a_long_file_nor_many) {
  settings.segment_bytes = 512 * 1024;
  open();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(append(block(1, 300, "grade_change", i)));

  EXPECT_LE(files.size_of("/data/log-00000000000000000001.seg"), 200U * 1024);
  EXPECT_EQ(std::ranges::count_if(*files.list("/data"),
                                  [](auto const& name) {
                                    return name.starts_with("log-") && name.ends_with(".seg");
                                  }),
            1);
  reopen();
  EXPECT_EQ(read_all(1).size(), 200U);
}

TEST_F(EventLogTest, finds_a_batch_by_time_and_an_event_by_id) {
  settings.segment_bytes = 128 * 1024;
  open();
  auto const start = clock.wall();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(append(block(10, 1000, "grade_change", i)));
    clock.advance(std::chrono::seconds(1));
  }

  EXPECT_EQ(wait(store->batch_at(start - std::chrono::hours(1))), 1U);
  EXPECT_EQ(wait(store->batch_at(start)), 1U);
  EXPECT_EQ(wait(store->batch_at(start + std::chrono::milliseconds(1))), 2U);
  EXPECT_EQ(wait(store->batch_at(start + std::chrono::seconds(20))), 21U);
  EXPECT_EQ(wait(store->batch_at(start + std::chrono::hours(1))), 31U);
  auto const batches = read_all(1);
  auto const found = wait(store->find(batches[17]->id_of(4)));
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->first->number, 18U);
  EXPECT_EQ(found->second, 4U);
  auto unknown = batches[17]->id_of(4);
  unknown.uuid.low ^= 1U << 20;
  EXPECT_EQ(wait(store->find(unknown)).error().fault, Fault::missing);
  EXPECT_EQ(wait(store->find(batches[17]->id_of(10))).error().fault, Fault::missing);
}

TEST_F(EventLogTest, tells_followers_of_each_batch_in_order) {
  open();
  std::vector<std::uint64_t> seen;
  auto const follower = store->follow(
      loop.get_executor(), [&](SharedBatch const& batch) { seen.push_back(batch->number); });

  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(block(1)));

  loop.restart();
  loop.run();
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(EventLogTest, lets_go_of_old_segments_and_says_before_what_goes) {
  settings.segment_bytes = 128 * 1024;
  open();
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(append(block(10, 1000, "grade_change", i)));
    clock.advance(std::chrono::hours(6));
  }

  auto const going = wait(store->doomed(clock.wall()));
  auto const left = wait(store->retain(clock.wall()));

  ASSERT_TRUE(going);
  ASSERT_TRUE(left);
  EXPECT_GT(left->oldest, 5U);
  EXPECT_LE(left->oldest, 13U);
  EXPECT_EQ(going->size(), left->oldest - 1);
  EXPECT_EQ(going->front().kinds.at(0).events, 10U);
  EXPECT_EQ(wait(store->read(1, {})).error().fault, Fault::missing);
  EXPECT_EQ(read_all(left->oldest).size(), 41 - left->oldest);
  reopen();
  EXPECT_EQ(store->range().oldest, left->oldest);
}

TEST_F(EventLogTest, lets_go_of_a_quiet_logs_last_segment_too) {
  open();
  ASSERT_TRUE(append(block(1)));
  clock.advance(std::chrono::hours(24 * 8));

  ASSERT_TRUE(wait(store->retain(clock.wall())));
  auto const left = wait(store->retain(clock.wall()));

  EXPECT_EQ(left->oldest, 2U);
  EXPECT_EQ(left->next, 2U);
  ASSERT_TRUE(append(block(1)));
  EXPECT_EQ(read_all(2).size(), 1U);
}

TEST_F(EventLogTest, lets_go_by_size) {
  settings.segment_bytes = 128 * 1024;
  settings.log_bytes = 512 * 1024;
  open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(block(10, 1000, "grade_change", i)));

  auto const left = wait(store->retain(clock.wall()));

  EXPECT_LE(left->bytes, 700U * 1024);
  EXPECT_GT(left->oldest, 1U);
}

TEST_F(EventLogTest, gathers_what_waits_into_one_commit) {
  settings.worker = io::thread_worker;
  open();
  std::vector<std::optional<Result<Appended>>> answers(200);
  io::TaskScope scope(loop.get_executor());
  for (auto& answer : answers) scope.start(keep(store->append(block(1), std::nullopt), answer));

  loop.restart();
  loop.run();

  for (std::size_t i = 0; i < answers.size(); ++i) ASSERT_TRUE(answers[i] && *answers[i]);
  for (std::size_t i = 1; i < answers.size(); ++i)
    EXPECT_LT((*answers[i - 1])->first, (*answers[i])->first);
  EXPECT_LT(settings.meters->commits.value(), 150U);
  std::size_t events = 0;
  for (auto const& batch : read_all(1)) events += batch->events.size();
  EXPECT_EQ(events, 200U);
}

TEST_F(EventLogTest, refuses_when_too_much_waits) {
  std::vector<std::move_only_function<void()>> jobs;
  struct Later final : io::Worker {
    std::vector<std::move_only_function<void()>>& jobs;
    explicit Later(std::vector<std::move_only_function<void()>>& to) : jobs(to) {}
    void post(std::move_only_function<void()> job) override { jobs.push_back(std::move(job)); }
  };
  settings.worker = [&](std::string const& name, int) -> std::unique_ptr<io::Worker> {
    if (name == "store-commit") return std::make_unique<Later>(jobs);
    return io::inline_worker();
  };
  settings.queued_bytes = 10'000;
  open();
  std::vector<std::optional<Result<Appended>>> answers(50);
  io::TaskScope scope(loop.get_executor());
  for (auto& answer : answers)
    scope.start(keep(store->append(block(1, 1000), std::nullopt), answer));
  loop.restart();
  loop.poll();

  while (!jobs.empty()) {
    auto now = std::exchange(jobs, {});
    for (auto& job : now) job();
  }
  loop.run();

  int refused = 0;
  for (auto const& answer : answers)
    if (!*answer) {
      ++refused;
      EXPECT_EQ(answer->error().fault, Fault::busy);
    }
  EXPECT_GT(refused, 30);
  EXPECT_LT(refused, 45);
}

TEST_F(EventLogTest, refuses_a_second_process_in_one_sentence) {
  open();
  FolderSettings other = settings;

  auto const second = open_folder(other, files, clock, random, log);

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::conflict);
  EXPECT_THAT(second.error().what, HasSubstr("another Millrace process uses this folder"));
}

}  // namespace
}  // namespace millrace::store
