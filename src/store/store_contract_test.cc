// Every form of the store keeps to the same page of semantics: README.md, "What every form does".
#include <gmock/gmock.h>

#include "store/store_fixture.h"
#include "testing/memory_store.h"

namespace millrace::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A form of the store, on a loop and a clock that the test has.
class Form {
 public:
  virtual ~Form() = default;
  virtual Store& store() = 0;
  virtual void restart() = 0;  // in good order
  // The next start of the same node begins while this one still has its store. Null: this form keeps a second one out.
  virtual std::unique_ptr<Form> take_over() = 0;
};

struct Outside {
  ToldClock clock;
  CountingRandom random;
  LinesLog log;
  testing::CrashingFiles files;
};

class InFolder final : public Form {
 public:
  explicit InFolder(Outside& outside) : outside_(outside) { open(); }
  Store& store() override { return *store_; }
  void restart() override {
    close();
    open();
  }
  std::unique_ptr<Form> take_over() override { return nullptr; }

 private:
  void open() {
    FolderSettings settings;
    settings.folder = "/data";
    settings.ticker = false;
    settings.reserve_bytes = 0;
    settings.worker = [](std::string const&, int) { return io::inline_worker(); };
    auto opened =
        open_folder(settings, outside_.files, outside_.clock, outside_.random, outside_.log);
    ASSERT_TRUE(opened) << opened.error().what;
    store_ = std::move(*opened);
  }
  void close() {
    io::asio::io_context loop(1);
    io::TaskScope scope(loop.get_executor());
    scope.start(closed(*store_));
    loop.run();
    store_.reset();
  }
  static io::Task<void> closed(Store& store) { EXPECT_TRUE(co_await store.close()); }

  Outside& outside_;
  std::unique_ptr<Store> store_;
};

class InMemory final : public Form {
 public:
  explicit InMemory(Outside& outside)
      : outside_(outside), store_(std::make_unique<testing::MemoryStore>(outside.clock)) {}
  InMemory(Outside& outside, testing::MemoryStore& earlier)
      : outside_(outside), store_(std::make_unique<testing::MemoryStore>(earlier, outside.clock)) {}
  Store& store() override { return *store_; }
  void restart() override {
    auto next = std::make_unique<testing::MemoryStore>(*store_, outside_.clock);
    store_ = std::move(next);
  }
  std::unique_ptr<Form> take_over() override {
    return std::make_unique<InMemory>(outside_, *store_);
  }

 private:
  Outside& outside_;
  std::unique_ptr<testing::MemoryStore> store_;
};

enum class Kind : std::uint8_t { folder, memory };

class StoreContract : public ::testing::TestWithParam<Kind> {
 protected:
  StoreContract() {
    if (GetParam() == Kind::folder)
      form = std::make_unique<InFolder>(outside);
    else
      form = std::make_unique<InMemory>(outside);
  }

  template <class T>
  T wait(io::Task<T> task) {
    std::optional<T> answer;
    io::TaskScope scope(loop.get_executor());
    scope.start(keep(std::move(task), answer));
    turn();
    EXPECT_TRUE(answer.has_value());
    return std::move(*answer);
  }
  template <class T>
  static io::Task<void> keep(io::Task<T> task, std::optional<T>& answer) {
    answer.emplace(co_await std::move(task));
  }
  void turn() {
    loop.restart();
    loop.run();
  }

  Store& store() { return form->store(); }
  Result<std::uint64_t> put(std::string id, std::uint64_t version, std::string value = "v",
                            std::string collection = "streams") {
    return wait(store().records().change(
        {{std::move(collection), std::move(id), std::move(value), version}}));
  }
  Result<std::uint64_t> remove(std::string id, std::uint64_t version) {
    return wait(store().records().change({{"streams", std::move(id), std::nullopt, version}}));
  }
  Result<Appended> append(int events = 1) {
    return wait(store().events().append(block(events), std::nullopt));
  }
  std::uint64_t epoch() { return wait(store().leases().take({}))->epoch; }
  Result<std::vector<Saved>> save(std::uint64_t with, std::uint64_t delivered = 1) {
    return wait(store().progress().save({}, with, {delta(delivered)}));
  }
  static StreamDelta delta(std::uint64_t delivered) {
    StreamDelta made;
    made.stream = stream;
    made.progress.cursor = {delivered + 1, 0};
    made.progress.counters.delivered = delivered;
    return made;
  }

  struct Told {  // what a follower of "streams" heard, one line a call
    std::vector<std::string> lines;
    std::shared_ptr<void> handle;
  };
  std::unique_ptr<Told> follow(std::uint64_t since) {
    auto told = std::make_unique<Told>();
    auto handle = wait(store().records().follow(
        "streams", since, loop.get_executor(), [&lines = told->lines](SharedChange const& change) {
          auto line = fmt::format("{}:", change->number);
          for (auto const& record : change->records)
            line += fmt::format(" {}.{}={}", record.id, record.version, record.value);
          for (auto const& id : change->removed) line += fmt::format(" -{}", id);
          lines.push_back(std::move(line));
        }));
    EXPECT_TRUE(handle);
    told->handle = std::move(*handle);
    return told;
  }

  static constexpr StreamId stream{{7, 7}};
  Outside outside;
  io::asio::io_context loop{1};
  std::unique_ptr<Form> form;
};

// ---- the event log

TEST_P(StoreContract, what_was_appended_is_read_at_once) {
  auto const first = append(2);
  auto const second = append(1);

  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->first, (Position{1, 0}));
  EXPECT_EQ(second->first, (Position{2, 0}));
  EXPECT_EQ(store().events().range().next, 3U);
  auto const read = wait(store().events().read(1, {}));
  ASSERT_TRUE(read);
  ASSERT_THAT(*read, SizeIs(2));
  EXPECT_EQ((*read)[0]->events.size(), 2U);
}

TEST_P(StoreContract, numbers_of_batches_go_on_after_a_restart) {
  ASSERT_TRUE(append());
  form->restart();

  EXPECT_EQ(append()->first, (Position{2, 0}));
  EXPECT_THAT(*wait(store().events().read(1, {})), SizeIs(2));
}

TEST_P(StoreContract, a_follower_hears_of_what_comes_and_reads_what_was) {
  ASSERT_TRUE(append());
  std::vector<std::uint64_t> heard;
  auto handle = store().events().follow(
      loop.get_executor(), [&](SharedBatch const& batch) { heard.push_back(batch->number); });
  ASSERT_TRUE(append());
  turn();
  handle.reset();
  ASSERT_TRUE(append());
  turn();

  EXPECT_THAT(heard, ElementsAre(2U));
  EXPECT_THAT(*wait(store().events().read(1, {})), SizeIs(3));
}

TEST_P(StoreContract, a_batch_says_the_newest_change_of_records_at_its_commit) {
  ASSERT_TRUE(append());
  ASSERT_TRUE(put("a", 0));
  ASSERT_TRUE(append());

  auto const read = wait(store().events().read(1, {}));
  ASSERT_THAT(*read, SizeIs(2));
  EXPECT_EQ((*read)[0]->changes, 0U);
  EXPECT_EQ((*read)[1]->changes, 1U);
}

TEST_P(StoreContract, a_change_is_told_before_the_batch_that_carries_its_number) {
  std::vector<std::string> heard;
  auto const batches = store().events().follow(loop.get_executor(), [&](SharedBatch const& batch) {
    heard.push_back(fmt::format("batch of {}", batch->changes));
  });
  auto const changes = wait(
      store().records().follow("streams", 0, loop.get_executor(), [&](SharedChange const& change) {
        heard.push_back(fmt::format("change {}", change->number));
      }));
  heard.clear();

  ASSERT_TRUE(put("a", 0));
  ASSERT_TRUE(append());
  turn();

  EXPECT_THAT(heard, ElementsAre("change 1", "batch of 1"));
}

// ---- records

TEST_P(StoreContract, changes_are_numbered_without_a_gap_also_across_a_restart) {
  EXPECT_EQ(put("a", 0), 1U);
  EXPECT_EQ(put("b", 0, "v", "tokens"), 2U);
  EXPECT_EQ(put("a", 0).error().fault, Fault::conflict);  // takes no number
  form->restart();

  EXPECT_EQ(store().records().newest_change(), 2U);
  EXPECT_EQ(put("a", 1), 3U);
  EXPECT_EQ(store().records().newest_change(), 3U);
}

TEST_P(StoreContract, a_change_checks_the_version_and_is_all_or_nothing) {
  ASSERT_TRUE(put("a", 0));

  auto const changed =
      wait(store().records().change({{"streams", "b", "new", 0}, {"streams", "a", "other", 7}}));

  EXPECT_EQ(changed.error().fault, Fault::conflict);
  EXPECT_EQ(wait(store().records().find("streams", "b")).error().fault, Fault::missing);
  EXPECT_EQ(put("none", 3).error().fault, Fault::missing);
  EXPECT_EQ(remove("none", 1).error().fault, Fault::missing);
}

TEST_P(StoreContract, what_was_changed_is_listed_at_once_with_its_version_and_number) {
  ASSERT_TRUE(put("b", 0));
  ASSERT_TRUE(put("a", 0, "first"));
  ASSERT_TRUE(put("a", 1, "second"));

  auto const listed = wait(store().records().list("streams"));

  ASSERT_THAT(*listed, SizeIs(2));
  EXPECT_EQ((*listed)[0].id, "a");
  EXPECT_EQ((*listed)[0].value, "second");
  EXPECT_EQ((*listed)[0].version, 2U);
  EXPECT_EQ((*listed)[0].change, 3U);
}

TEST_P(StoreContract, a_follower_of_records_hears_first_what_is_and_then_what_comes) {
  ASSERT_TRUE(put("a", 0, "1"));
  ASSERT_TRUE(put("b", 0, "2"));

  auto const told = follow(0);
  std::string before;
  for (auto const& line : told->lines) before += line;
  EXPECT_THAT(before, ::testing::HasSubstr("a.1=1"));
  EXPECT_THAT(before, ::testing::HasSubstr("b.1=2"));
  EXPECT_TRUE(told->lines.back().starts_with("2:"));
  told->lines.clear();
  ASSERT_TRUE(put("a", 1, "3"));
  ASSERT_TRUE(put("x", 0, "4", "tokens"));
  ASSERT_TRUE(remove("b", 1));
  turn();

  EXPECT_THAT(told->lines, ElementsAre("3: a.2=3", "4:", "5: -b"));
}

TEST_P(StoreContract, a_follower_goes_on_after_the_change_that_it_knows_across_a_restart) {
  ASSERT_TRUE(put("a", 0, "1"));
  ASSERT_TRUE(put("b", 0, "2"));
  ASSERT_TRUE(put("c", 0, "3"));
  form->restart();

  auto const told = follow(2);

  EXPECT_THAT(told->lines, ElementsAre("3: c.1=3"));
  EXPECT_THAT(follow(3)->lines, ElementsAre("3:"));
}

TEST_P(StoreContract, a_follower_whose_handle_is_gone_hears_nothing) {
  auto const told = follow(0);
  told->lines.clear();
  told->handle.reset();
  ASSERT_TRUE(put("a", 0));
  turn();

  EXPECT_THAT(told->lines, IsEmpty());
}

// ---- progress, leases

TEST_P(StoreContract, what_was_saved_is_loaded_at_once_and_after_a_restart) {
  auto const saved = save(epoch(), 5);

  ASSERT_TRUE(saved);
  EXPECT_THAT(*saved, ElementsAre(Saved::stored));
  for (int round = 0; round < 2; ++round) {
    auto const loaded = wait(store().progress().load({}));
    ASSERT_THAT(*loaded, SizeIs(1));
    EXPECT_EQ((*loaded)[0].progress.counters.delivered, 5U);
    form->restart();
  }
}

TEST_P(StoreContract, each_start_has_a_greater_epoch_once_anything_was_saved) {
  auto const first = epoch();
  ASSERT_TRUE(save(first));
  form->restart();

  EXPECT_GT(epoch(), first);
}

TEST_P(StoreContract, a_save_with_an_older_epoch_is_fenced_and_stores_nothing) {
  auto const old = epoch();
  ASSERT_TRUE(save(old, 1));
  form->restart();

  auto const late = save(old, 9);

  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, Fault::fenced);
  EXPECT_EQ(wait(store().leases().renew({{}, old})).error().fault, Fault::fenced);
  EXPECT_EQ((*wait(store().progress().load({})))[0].progress.counters.delivered, 1U);
}

TEST_P(StoreContract, a_stale_process_stores_nothing_after_a_takeover) {
  auto const old = epoch();
  ASSERT_TRUE(save(old, 1));
  ASSERT_TRUE(put("a", 0));
  auto const next = form->take_over();
  if (!next) GTEST_SKIP() << "a second process is kept out of the folder: DiskTest";

  EXPECT_EQ(save(old, 9).error().fault, Fault::fenced);
  EXPECT_EQ(append().error().fault, Fault::fenced);
  EXPECT_EQ(put("a", 1).error().fault, Fault::fenced);
  EXPECT_EQ(wait(store().leases().take({})).error().fault, Fault::fenced);
  EXPECT_EQ(wait(store().dead_letters().add({{"", {}, "json", "", "r", "p"}})).error().fault,
            Fault::fenced);

  auto const loaded = wait(next->store().progress().load({}));
  ASSERT_THAT(*loaded, SizeIs(1));
  EXPECT_EQ((*loaded)[0].progress.counters.delivered, 1U);
  EXPECT_EQ(next->store().events().range().next, 1U);
}

INSTANTIATE_TEST_SUITE_P(Forms, StoreContract, ::testing::Values(Kind::folder, Kind::memory),
                         [](auto const& info) {
                           return info.param == Kind::folder ? "folder" : "memory";
                         });

}  // namespace
}  // namespace millrace::store
