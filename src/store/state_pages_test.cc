// Pages end at a number of bytes, and searches at a number of blocks; what many share has shares.
#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

StreamId stream(std::uint64_t n) { return {{0x0192F0C100007000U, 0x8000000000000000U | n}}; }

class PagesTest : public StoreTest {
 protected:
  PagesTest() { open(); }

  void add_letters(std::string const& account, int count, std::size_t bytes,
                   std::string const& owner = "") {
    while (count > 0) {
      std::vector<DeadLetter> letters;
      for (; count > 0 && letters.size() < 500; --count)
        letters.push_back(
            {"", clock.wall(), "kinesis", account, "not JSON", std::string(bytes, 'x'), owner});
      ASSERT_TRUE(wait(store->add_dead_letters(std::move(letters))));
      clock.advance(std::chrono::milliseconds(1));
    }
  }
  std::map<std::string, std::size_t> letters_by_account() {
    std::map<std::string, std::size_t> counts;
    std::string after;
    do {
      auto page = wait(store->dead_letters(after, {1'000, SIZE_MAX}));
      for (auto const& letter : page->items) ++counts[letter.account];
      after = page->next;
    } while (!after.empty());
    return counts;
  }

  void add_attempts(StreamId of, int count, std::string const& type) {
    for (int i = 0; i < count; ++i) {
      model::Attempt attempt;
      attempt.stream = of;
      attempt.event = {{1, ++events_}};
      attempt.event_type = type;
      attempt.at = clock.wall();
      attempt.response_body = std::string(200, 'b');
      store->add_attempt(attempt);
    }
  }

  std::uint64_t events_ = 0;
};

TEST_F(PagesTest, a_flood_of_letters_removes_only_its_own_and_is_counted) {
  add_letters("quiet", 100, 50);
  add_letters("flood", 20'000, 10);
  add_letters("quiet", 1, 50);

  auto const held = letters_by_account();
  EXPECT_EQ(held.at("quiet"), 101U);
  EXPECT_EQ(held.at("flood"), 9'899U);
  auto const dropped = *wait(store->dropped_letters());
  ASSERT_EQ(dropped.size(), 1U);
  EXPECT_EQ(dropped[0].account, "flood");
  EXPECT_EQ(dropped[0].count, 20'000U - 9'899U);
  EXPECT_EQ(settings.meters->letters_dropped.value(), dropped[0].count);
}

TEST_F(PagesTest, large_letters_push_out_only_their_own) {
  add_letters("quiet", 100, 1'000);
  add_letters("flood", 1'500, 65'536);

  auto const held = letters_by_account();
  EXPECT_EQ(held.at("quiet"), 100U);
  EXPECT_LT(held.at("flood"), 1'024U);
}

TEST_F(PagesTest, letters_of_several_accounts_have_the_share_of_their_credential) {
  add_letters("", 10, 50, "AKIAQUIET");
  add_letters("", 12'000, 10, "AKIAFLOOD");

  std::size_t of_quiet = 0;
  std::string after;
  do {
    auto page = wait(store->dead_letters(after, {1'000, SIZE_MAX}));
    for (auto const& letter : page->items) of_quiet += letter.owner == "AKIAQUIET" ? 1 : 0;
    after = page->next;
  } while (!after.empty());
  EXPECT_EQ(of_quiet, 10U);
}

TEST_F(PagesTest, shares_and_what_was_let_go_outlive_a_restart) {
  add_letters("quiet", 100, 50);
  add_letters("flood", 10'000, 10);
  reopen();
  add_letters("flood", 500, 10);

  EXPECT_EQ(letters_by_account().at("quiet"), 100U);
  EXPECT_EQ(wait(store->dropped_letters())->at(0).count, 600U);
}

TEST_F(PagesTest, a_page_of_letters_ends_at_its_bytes_and_goes_on) {
  add_letters("a", 20, 10'000);

  auto const first = *wait(store->dead_letters("", {1'000, 35'000}));
  auto const next = *wait(store->dead_letters(first.next, {1'000, SIZE_MAX}));
  auto const one = *wait(store->dead_letters("", {1'000, 1}));

  EXPECT_EQ(first.items.size(), 3U);
  EXPECT_EQ(next.items.size(), 17U);
  EXPECT_EQ(next.next, "");
  EXPECT_EQ(one.items.size(), 1U);
  EXPECT_EQ(wait(store->dead_letter(first.items[1].id))->payload, first.items[1].payload);
  EXPECT_EQ(wait(store->dead_letter("nothing")).error().fault, Fault::missing);
}

TEST_F(PagesTest, a_page_of_records_ends_at_its_bytes) {
  for (int i = 0; i < 9; ++i)
    ASSERT_TRUE(wait(
        store->change({{"audit", std::to_string(i), std::string(10'000, 'v'), std::nullopt}})));

  auto const page = *wait(store->newest_records("audit", "", {1'000, 45'000}));

  EXPECT_EQ(page.items.size(), 4U);
  EXPECT_EQ(page.next, "5");
}

TEST_F(PagesTest, undelivered_events_come_without_payloads_where_nobody_wants_them) {
  StreamDelta delta;
  delta.stream = stream(1);
  for (std::uint64_t i = 1; i <= 8; ++i) {
    Undelivered event;
    event.work.at = {i, 0};
    event.kind = {"a", "grade_change"};
    event.payload = std::string(100'000, 'p');
    event.failed_at = clock.wall() + std::chrono::seconds(i);
    delta.undelivered.push_back(event);
  }
  ASSERT_TRUE(wait(store->checkpoint({delta})));

  auto const bare = *wait(store->undelivered(stream(1), "", {1'000, 50'000}, Payloads::left_out));
  auto const whole = *wait(store->undelivered(stream(1), "", {1'000, 350'000}, Payloads::with));
  auto const rest =
      *wait(store->undelivered(stream(1), whole.next, {1'000, SIZE_MAX}, Payloads::with));

  EXPECT_EQ(bare.items.size(), 8U);
  EXPECT_EQ(bare.items[0].payload, "");
  EXPECT_EQ(whole.items.size(), 3U);
  EXPECT_EQ(rest.items.size(), 5U);
  EXPECT_EQ(rest.items[0].payload.size(), 100'000U);
}

// What is looked for is not there: each call reads so many blocks and no more, and the last one says that it is the last.
TEST_F(PagesTest, a_search_in_attempts_reads_a_bounded_number_of_blocks_and_goes_on_by_cursor) {
  settings.attempts_block_bytes = 2'000;
  reopen();
  add_attempts(stream(1), 1'000, "grade_change");
  AttemptQuery query;
  query.stream = stream(1);
  query.event_type = "never";
  query.most_blocks = 16;

  std::size_t calls = 0;
  std::uint64_t blocks = 0;
  for (;; ++calls) {
    auto const before = settings.meters->attempt_blocks_read.value();
    auto const page = *wait(store->attempts(query));
    auto const read = settings.meters->attempt_blocks_read.value() - before;
    EXPECT_LE(read, 16U);
    EXPECT_TRUE(page.items.empty());
    blocks += read;
    query.after = page.next;
    if (page.next.empty()) break;
  }

  EXPECT_GT(blocks, 100U);
  EXPECT_GE(calls, blocks / 16);
}

TEST_F(PagesTest, blocks_of_other_streams_cost_little_but_not_nothing) {
  settings.attempts_block_bytes = 2'000;
  reopen();
  add_attempts(stream(2), 20, "oldest");
  for (int i = 0; i < 200; ++i) {
    add_attempts(stream(1), 1, "grade_change");
    clock.advance(std::chrono::seconds(2));
    static_cast<void>(wait(store->attempts({stream(1), {}, {}, {}, {}, {}, 1})));
  }
  AttemptQuery query;
  query.stream = stream(2);
  query.most_blocks = 2;
  auto const before = settings.meters->attempt_blocks_read.value();

  std::size_t found = 0;
  std::size_t calls = 0;
  do {
    auto const page = *wait(store->attempts(query));
    found += page.items.size();
    query.after = page.next;
    ++calls;
  } while (!query.after.empty());

  EXPECT_EQ(found, 20U);
  EXPECT_GE(calls, 2U);
  EXPECT_LE(calls, 6U);
  EXPECT_LE(settings.meters->attempt_blocks_read.value() - before, 3 * calls);
}

TEST_F(PagesTest, a_page_of_attempts_ends_at_its_bytes_and_none_is_shown_twice) {
  settings.attempts_block_bytes = 5'000;
  reopen();
  add_attempts(stream(1), 300, "grade_change");
  AttemptQuery query;
  query.stream = stream(1);
  query.limit = 1'000;
  query.most_bytes = 4'000;

  std::set<std::uint64_t> seen;
  do {
    auto const page = *wait(store->attempts(query));
    EXPECT_LE(page.items.size(), 11U);
    for (auto const& attempt : page.items) EXPECT_TRUE(seen.insert(attempt.event.uuid.low).second);
    query.after = page.next;
  } while (!query.after.empty());

  EXPECT_EQ(seen.size(), 300U);
}

// Keeps its jobs until it is told to do them.
struct Later final : io::Worker {
  explicit Later(std::vector<std::move_only_function<void()>>& to) : jobs(to) {}
  void post(std::move_only_function<void()> job) override { jobs.push_back(std::move(job)); }
  std::vector<std::move_only_function<void()>>& jobs;
};

TEST_F(PagesTest, a_search_in_attempts_keeps_nobody_from_writing_and_reading) {
  std::vector<std::move_only_function<void()>> searches;
  settings.worker = [&](std::string const& name, int) -> std::unique_ptr<io::Worker> {
    if (name == "store-search") return std::make_unique<Later>(searches);
    return io::inline_worker();
  };
  open();
  add_attempts(stream(1), 10, "grade_change");
  std::optional<Result<Page<model::Attempt>>> found;
  io::TaskScope scope(loop.get_executor());
  AttemptQuery query;
  query.stream = stream(1);
  scope.start(keep(store->attempts(query), found));
  loop.restart();
  loop.poll();
  ASSERT_EQ(searches.size(), 1U);

  // While the search is out, the loop has work: each of these ends by itself.
  auto const beside = [&](auto task) {
    std::optional<decltype(wait(std::move(task)))> answer;
    scope.start(keep(std::move(task), answer));
    while (!answer && loop.poll_one() > 0) {
    }
    return answer;
  };
  ASSERT_TRUE(beside(store->append(block(3), std::nullopt)));
  auto const read = beside(store->read(1, {}));
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->size(), 1U);
  EXPECT_TRUE(beside(store->retain(clock.wall())));

  EXPECT_FALSE(found);
  searches.front()();
  searches.clear();
  loop.restart();
  loop.run();
  ASSERT_TRUE(found && *found);
  EXPECT_GE((*found)->items.size(), 10U);
  settings.worker = [](std::string const&, int) { return io::inline_worker(); };
  store.reset();
}

TEST_F(PagesTest, an_event_is_looked_for_in_all_streams_at_once) {
  add_attempts(stream(1), 3, "grade_change");
  add_attempts(stream(2), 3, "grade_change");
  AttemptQuery query;
  query.any_stream = true;

  EXPECT_EQ(wait(store->attempts(query))->items.size(), 6U);
}

}  // namespace
}  // namespace millrace::store
