// Every file of a folder, damaged in every way: what it costs, what is said. docs/damage.md has the table for people.
//   The rule  Whatever is gone is told: the start is refused, or a line of the log, or an answer that fails. And nothing that was not
//             stored is ever given out.
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <set>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

class DamageTable : public StoreTest {
 protected:
  using Content = std::map<std::string, std::string>;

  DamageTable() {
    settings.segment_bytes = 64 * 1024;
    settings.cache_bytes = 0;
    settings.tail_bytes = 0;
    settings.journal_bytes = 1'500;
    settings.attempts_block_bytes = 512;
  }

  Content content() {
    Content found;
    for (auto const& name : *files.list("/data"))
      found[name] = *static_cast<io::Files&>(files).read_all("/data/" + name, 1ULL << 30);
    return found;
  }
  void put(Content const& wanted) {
    for (auto const& name : *files.list("/data"))
      if (!wanted.contains(name)) ASSERT_TRUE(files.remove("/data/" + name));
    for (auto const& [name, bytes] : wanted) ASSERT_TRUE(files.write_all("/data/" + name, bytes));
  }

  static StreamDelta delta(std::uint64_t n) {
    StreamDelta made;
    made.stream = {{1, 1 + n % 3}};
    made.progress.cursor = {n, 0};
    Retry retry;
    retry.work.at = {n, 1};
    retry.due = WallTime(Duration(1));
    made.retries = {retry};
    Undelivered gone;
    gone.work.at = {n, 2};
    gone.event = {{2, n}};
    gone.kind = {"a", "grade_change"};
    gone.payload = fmt::format(R"({{"n":{}}})", n) + std::string(400, 'p');
    gone.failed_at = from_unix_ms(1'790'000'000'000);
    made.undelivered = {gone};
    made.ledger = {{29'833'333, 1, 1, 1, 1}};
    return made;
  }
  void write(std::uint64_t n) {
    ASSERT_TRUE(append(block(10, 1'000, "grade_change", static_cast<int>(n))));
    ASSERT_TRUE(
        wait(store->progress().save({}, wait(store->leases().take({}))->epoch, {delta(n)})));
    ASSERT_TRUE(
        wait(store->records().change({{"tokens", fmt::format("t{}", n),
                                       fmt::format("token {}", n) + std::string(300, 't'), 0}})));
    ASSERT_TRUE(wait(store->dead_letters().add(
        {{"", clock.wall(), "json", "a", "no event", fmt::format("letter {}", n)}})));
    model::Attempt attempt;
    attempt.stream = {{1, 1}};
    attempt.event = {{3, n}};
    attempt.event_type = "grade_change";
    attempt.reason = fmt::format("reason {}", n) + std::string(600, 'r');
    attempt.at = clock.wall();
    store->attempts().add(attempt);
  }
  // Two copies of one folder: as it was, and as it is later.
  void make() {
    open();
    for (std::uint64_t n = 1; n <= 12; ++n) write(n);
    if (clean_) ASSERT_TRUE(wait(store->close()));
    old_ = content();
    store.reset();
    put(old_);
    open();
    for (std::uint64_t n = 13; n <= 24; ++n) write(n);
    AttemptQuery any;
    any.any_stream = true;
    static_cast<void>(wait(store->attempts().find(any)));  // they are on disk then
    // The end of each file is known to another one then. Of what nobody else knows a torn end and a crash look the same.
    ASSERT_TRUE(wait(store->dead_letters().add(
        {{"", clock.wall(), "json", "a", "no event", fmt::format("letter {}", 25)}})));
    if (clean_) ASSERT_TRUE(wait(store->close()));
    new_ = content();
    store.reset();
    put(new_);
    open();
    whole_ = all();
    EXPECT_EQ(failed_, 0);
    EXPECT_EQ(whole_.size(), 24U * 5 + 1 + 3 + 3)
        << "batches, tokens, letters, undelivered, attempts; streams, ledgers";
    close_for_good();
  }
  void close_for_good() { store.reset(); }

  // All that the store gives out, one line a thing. What cannot be read is counted.
  std::set<std::string> all() {
    failed_ = 0;
    std::set<std::string> found;
    auto const add = [&](std::string line) { found.insert(std::move(line)); };
    std::uint64_t first = store->events().range().oldest;
    for (;;) {
      auto const part = wait(store->events().read(first, {}));
      if (!part) ++failed_;
      if (!part || part->empty()) break;
      for (auto const& batch : *part)
        add(fmt::format("batch {} {}", batch->number, batch->events.bytes()));
      first = part->back()->number + 1;
    }
    if (auto const records = wait(store->records().list("tokens")); records)
      for (auto const& record : *records)
        add(fmt::format("token {} {} {}", record.id, record.version, record.value));
    else
      ++failed_;
    auto const streams = wait(store->progress().load({}));
    if (!streams) ++failed_;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      StreamId const stream{{1, id}};
      if (streams)
        for (auto const& state : *streams)
          if (state.stream == stream) {
            auto line = fmt::format("stream {} at {} with {}:", id, state.progress.cursor.batch,
                                    state.undelivered);
            for (auto const& retry : state.retries) line += fmt::format(" {}", retry.work.at.batch);
            add(line);
          }
      auto const gone =
          wait(store->progress().undelivered(stream, "", {1'000, 1 << 30}, Payloads::with));
      if (!gone) ++failed_;
      if (gone)
        for (auto const& event : gone->items)
          add(fmt::format("undelivered {} {} {} {}", event.work.at.batch, event.event.uuid.low,
                          event.kind.type, event.payload));
      auto const ledger = wait(store->progress().ledger(stream, 0, 1LL << 40));
      if (!ledger) ++failed_;
      if (ledger)
        for (auto const& minute : *ledger)
          add(fmt::format("ledger {} {} {}", id, minute.minute, minute.delivered));
    }
    auto const letters = wait(store->dead_letters().list("", {1'000, 1 << 30}));
    if (!letters) ++failed_;
    if (letters)
      for (auto const& letter : letters->items)
        add(fmt::format("letter {} {}", letter.id, letter.payload));
    AttemptQuery query;
    query.any_stream = true;
    query.limit = 1'000;
    query.most_blocks = 10'000;
    auto const attempts = wait(store->attempts().find(query));
    if (!attempts) ++failed_;
    if (attempts)
      for (auto const& attempt : attempts->items)
        add(fmt::format("attempt {} {}", attempt.event.uuid.low, attempt.reason));
    return found;
  }

  struct Row {
    int places = 0, refused = 0, told = 0, harmless = 0;
    std::set<std::string> lost;  // kinds of things
  };

  // Opens what is there now, and puts the whole folder back.
  void judge(Row& row, std::string const& what) {
    SCOPED_TRACE(what);
    ++row.places;
    auto const warnings = log.count(LogLevel::warning);
    auto const opened = try_open();
    if (!opened) {
      ++row.refused;
      EXPECT_GT(opened.error().what.size(), 20U);
    } else {
      auto const found = all();
      for (auto const& line : found)
        EXPECT_TRUE(whole_.contains(line)) << "was never stored: " << line.substr(0, 100);
      std::set<std::string> gone;
      for (auto const& line : whole_)
        if (!found.contains(line)) gone.insert(line.substr(0, line.find(' ')));
      bool const said = failed_ > 0 || log.count(LogLevel::warning) > warnings;
      EXPECT_TRUE(gone.empty() || said)
          << "nothing is said, and gone is: " << fmt::format("{}", fmt::join(gone, ", "));
      ++(gone.empty() ? row.harmless : row.told);
      row.lost.insert(gone.begin(), gone.end());
    }
    store.reset();
    put(new_);
  }

  static std::string kind_of(std::string const& name) {
    std::string kind;
    for (char const c : name)
      if (c < '0' || c > '9') kind += c;
    return kind;
  }

  void damage_all() {
    make();
    std::map<std::string, Row> rows;
    int segments = 0;
    for (auto const& [name, bytes] : new_) {
      // Each file of the log takes as long as all of state.db: the first ones, and every ninth.
      if (name.starts_with("log-") && !name.ends_with("-wal") && ++segments > 2 &&
          segments % 9 != 0)
        continue;
      auto const path = "/data/" + name;
      auto const step = std::max<std::size_t>(bytes.size() / 13, 1);
      for (std::size_t at = bytes.size() % 7; at < bytes.size(); at += step) {
        files.flip_bit(path, at, static_cast<unsigned>(at % 8));
        judge(rows[kind_of(name) + ", a bit"],
              fmt::format("{}: bit {} of byte {}", name, at % 8, at));
      }
      for (int part = 0; part < 5; ++part) {
        auto const size = bytes.size() * static_cast<std::size_t>(part) / 5;
        files.cut(path, size);
        judge(rows[kind_of(name) + ", cut"],
              fmt::format("{}: cut to {} of {}", name, size, bytes.size()));
      }
      ASSERT_TRUE(files.remove(path));
      judge(rows[kind_of(name) + ", deleted"], name + ": deleted");
      auto const before = old_.find(name);
      if (before == old_.end() || before->second == bytes) continue;
      ASSERT_TRUE(files.write_all(path, before->second));
      judge(rows[kind_of(name) + ", an old copy"], name + ": an old copy");
    }
    for (auto const& [what, row] : rows)
      fmt::print("{:32} {:4} places: {:4} harmless, {:4} told, {:4} refused; lost: {}\n", what,
                 row.places, row.harmless, row.told, row.refused, fmt::join(row.lost, ", "));
  }

  bool clean_ = true;
  Content old_, new_;
  std::set<std::string> whole_;
  int failed_ = 0;
};

TEST_F(DamageTable, of_a_folder_that_was_stopped) { damage_all(); }

TEST_F(DamageTable, of_a_folder_whose_process_was_killed) {
  clean_ = false;
  damage_all();
}

}  // namespace
}  // namespace millrace::store
