// The records of the control plane and the dead letters, which live in state.db too.
#include <fmt/format.h>

#include <algorithm>

#include "store/state_file.h"

namespace millrace::store {
namespace {

constexpr std::uint64_t most_letters = 10'000;
constexpr std::uint64_t most_letter_bytes = 64ULL << 20;
constexpr std::size_t most_letter_payload = 64 * 1024;

std::size_t size_of(DeadLetter const& letter) {
  return letter.payload.size() + letter.reason.size() + letter.account.size() +
         letter.source.size() + 64;
}

}  // namespace

Result<void> StateFile::change(std::vector<RecordChange> const& changes) {
  return commit_counted(Counted::records, [&]() -> Result<void> {
    for (auto const& one : changes)
      if (auto done = change_one(one); !done) return done;
    return {};
  });
}

Result<void> StateFile::change_one(RecordChange const& change) {
  std::uint64_t version = 0;
  {
    auto found = database_->query("SELECT version FROM records WHERE collection = ?1 AND id = ?2");
    found.text(1, change.collection).text(2, change.id);
    auto const row = found.step();
    if (!row) return pass(row);
    if (*row) version = found.count(0);
  }
  auto const name = [&] { return change.collection + "/" + change.id; };
  if (change.expected_version && *change.expected_version != version) {
    if (version == 0) return fail(Fault::missing, name() + ": is not there");
    return fail(Fault::conflict, *change.expected_version == 0
                                     ? name() + ": exists"
                                     : name() + ": was changed meanwhile");
  }
  if (!change.value) {
    if (version == 0) return fail(Fault::missing, name() + ": is not there");
    auto gone = database_->query("DELETE FROM records WHERE collection = ?1 AND id = ?2");
    gone.text(1, change.collection).text(2, change.id);
    return gone.run();
  }
  auto put = database_->query(
      "INSERT OR REPLACE INTO records(collection, id, version, value) VALUES(?1, ?2, ?3, ?4)");
  put.text(1, change.collection).text(2, change.id).bind(3, version + 1).blob(4, *change.value);
  return put.run();
}

Result<std::vector<Record>> StateFile::records(std::string const& collection) {
  auto rows =
      database_->query("SELECT id, version, value FROM records WHERE collection = ?1 ORDER BY id");
  rows.text(1, collection);
  std::vector<Record> found;
  auto row = rows.step();
  for (; row && *row; row = rows.step())
    found.push_back(
        {collection, std::string(rows.bytes(0)), rows.count(1), std::string(rows.bytes(2))});
  if (!row) return pass(row);
  return found;
}

Result<Page<Record>> StateFile::newest_records(std::string const& collection,
                                               std::string const& after, std::size_t limit) {
  limit = std::clamp<std::size_t>(limit, 1, 1'000);
  auto rows = database_->query(
      after.empty() ? std::string_view("SELECT id, version, value FROM records WHERE collection = "
                                       "?1 ORDER BY id DESC LIMIT ?3")
                    : std::string_view("SELECT id, version, value FROM records WHERE collection = "
                                       "?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"));
  rows.text(1, collection).bind(3, std::uint64_t{limit + 1});
  if (!after.empty()) rows.text(2, after);
  Page<Record> page;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    if (page.items.size() == limit) {
      page.next = page.items.back().id;
      break;
    }
    page.items.push_back(
        {collection, std::string(rows.bytes(0)), rows.count(1), std::string(rows.bytes(2))});
  }
  if (!row) return pass(row);
  return page;
}

Result<void> StateFile::add_dead_letters(std::vector<DeadLetter> letters) {
  auto count = letters_;
  auto bytes = letter_bytes_;
  for (auto& letter : letters) {
    if (letter.id.empty())
      letter.id =
          Uuid::v7(folder_.clock.wall(), folder_.random.bits(), folder_.random.bits()).text();
    if (letter.payload.size() > most_letter_payload) letter.payload.resize(most_letter_payload);
  }
  auto done = commit_counted(Counted::progress, [&]() -> Result<void> {
    count = letters_;
    bytes = letter_bytes_;
    for (auto const& letter : letters) {
      auto put = database_->query(
          "INSERT INTO dead_letters(id, at_ns, source, account, reason, payload, bytes) VALUES(?1, "
          "?2, ?3, ?4, ?5, ?6, ?7)");
      put.text(1, letter.id)
          .bind(2, std::int64_t{letter.at.time_since_epoch().count()})
          .text(3, letter.source)
          .text(4, letter.account);
      put.text(5, letter.reason).blob(6, letter.payload).bind(7, std::uint64_t{size_of(letter)});
      if (auto put_done = put.run(); !put_done) return put_done;
      ++count;
      bytes += size_of(letter);
    }
    while (count > most_letters || bytes > most_letter_bytes) {
      std::string oldest;
      {
        auto rows = database_->query("SELECT id, bytes FROM dead_letters ORDER BY id LIMIT 1");
        auto const row = rows.step();
        if (!row) return pass(row);
        if (!*row) break;
        oldest = rows.bytes(0);
        bytes -= std::min(bytes, rows.count(1));
      }
      auto gone = database_->query("DELETE FROM dead_letters WHERE id = ?1");
      gone.text(1, oldest);
      if (auto gone_done = gone.run(); !gone_done) return gone_done;
      --count;
    }
    return {};
  });
  if (!done) return done;
  letters_ = count;
  letter_bytes_ = bytes;
  return {};
}

Result<Page<DeadLetter>> StateFile::dead_letters(std::string const& after, std::size_t limit) {
  limit = std::clamp<std::size_t>(limit, 1, 1'000);
  auto rows = database_->query(
      after.empty() ? std::string_view("SELECT id, at_ns, source, account, reason, payload FROM "
                                       "dead_letters ORDER BY id DESC LIMIT ?2")
                    : std::string_view("SELECT id, at_ns, source, account, reason, payload FROM "
                                       "dead_letters WHERE id < ?1 ORDER BY id DESC LIMIT ?2"));
  if (!after.empty()) rows.text(1, after);
  rows.bind(2, std::uint64_t{limit + 1});
  Page<DeadLetter> page;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    if (page.items.size() == limit) {
      page.next = page.items.back().id;
      break;
    }
    page.items.push_back({std::string(rows.bytes(0)), WallTime(Duration(rows.number(1))),
                          std::string(rows.bytes(2)), std::string(rows.bytes(3)),
                          std::string(rows.bytes(4)), std::string(rows.bytes(5))});
  }
  if (!row) return pass(row);
  return page;
}

}  // namespace millrace::store
