// The dead letters, which live in state.db too. They share one limit: who has most gives way first.
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

DeadLetter letter_of(Query const& row) {
  return {std::string(row.bytes(0)), WallTime(Duration(row.number(1))), std::string(row.bytes(2)),
          std::string(row.bytes(3)), std::string(row.bytes(4)),         std::string(row.bytes(5)),
          std::string(row.bytes(6))};
}

}  // namespace

Result<void> StateFile::load_letters() {
  letters_ = {};
  auto rows = database_->query(
      "SELECT owner, count(*), sum(bytes) FROM dead_letters INDEXED BY dead_letters_owner GROUP BY "
      "owner");
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    letters_.count.add(rows.bytes(0), rows.count(1));
    letters_.bytes.add(rows.bytes(0), rows.count(2));
  }
  if (!row) return pass(row);
  return {};
}

Result<void> StateFile::add_dead_letters(std::vector<DeadLetter> letters) {
  for (auto& letter : letters) {
    if (letter.id.empty())
      letter.id =
          Uuid::v7(folder_.clock.wall(), folder_.random.bits(), folder_.random.bits()).text();
    if (letter.owner.empty()) letter.owner = letter.account;
    if (letter.payload.size() > most_letter_payload) letter.payload.resize(most_letter_payload);
  }
  LetterShares held;
  std::map<std::string, std::uint64_t> dropped;
  auto done = commit_counted(Counted::progress, [&]() -> Result<void> {
    held = letters_;
    dropped.clear();
    for (auto const& letter : letters) {
      if (auto put = put_letter(letter); !put) return put;
      held.count.add(letter.owner, 1);
      held.bytes.add(letter.owner, size_of(letter));
    }
    while (held.count.total() > most_letters || held.bytes.total() > most_letter_bytes) {
      auto const owner =
          held.count.total() > most_letters ? held.count.largest() : held.bytes.largest();
      if (auto gone = drop_oldest_letter(owner, held, dropped); !gone) return gone;
    }
    return count_dropped(dropped);
  });
  if (!done) return done;
  letters_ = std::move(held);
  for (auto const& [account, count] : dropped) folder_.meters().letters_dropped.add(count);
  return {};
}

Result<void> StateFile::put_letter(DeadLetter const& letter) {
  auto put = database_->query(
      "INSERT INTO dead_letters(id, at_ns, source, account, reason, payload, bytes, owner) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  put.text(1, letter.id)
      .bind(2, std::int64_t{letter.at.time_since_epoch().count()})
      .text(3, letter.source)
      .text(4, letter.account)
      .text(5, letter.reason)
      .blob(6, letter.payload)
      .bind(7, std::uint64_t{size_of(letter)})
      .text(8, letter.owner);
  return put.run();
}

Result<void> StateFile::drop_oldest_letter(std::string const& owner, LetterShares& held,
                                           std::map<std::string, std::uint64_t>& dropped) {
  std::string id;
  {
    auto oldest = database_->query(
        "SELECT id, bytes, account FROM dead_letters WHERE owner = ?1 ORDER BY id LIMIT 1");
    oldest.text(1, owner);
    auto const row = oldest.step();
    if (!row) return pass(row);
    if (!*row) return fail(Fault::corrupt, "dead letters: one that was counted is not there");
    id = oldest.bytes(0);
    held.count.remove(owner, 1);
    held.bytes.remove(owner, oldest.count(1));
    ++dropped[std::string(oldest.bytes(2))];
  }
  auto gone = database_->query("DELETE FROM dead_letters WHERE id = ?1");
  gone.text(1, id);
  return gone.run();
}

Result<void> StateFile::count_dropped(std::map<std::string, std::uint64_t> const& dropped) {
  for (auto const& [account, count] : dropped) {
    auto more = database_->query(
        "INSERT INTO letters_dropped(account, letters) VALUES(?1, ?2) ON CONFLICT(account) DO "
        "UPDATE SET letters = letters + excluded.letters");
    more.text(1, account).bind(2, count);
    if (auto done = more.run(); !done) return done;
  }
  return {};
}

Result<std::vector<DroppedLetters>> StateFile::dropped_letters() {
  auto rows = database_->query("SELECT account, letters FROM letters_dropped ORDER BY account");
  std::vector<DroppedLetters> all;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) all.push_back({std::string(rows.bytes(0)), rows.count(1)});
  if (!row) return pass(row);
  return all;
}

Result<Page<DeadLetter>> StateFile::dead_letters(std::string const& after, PageLimits limits) {
  auto const most = std::clamp<std::size_t>(limits.items, 1, 1'000);
  auto rows = database_->query(
      after.empty()
          ? std::string_view("SELECT id, at_ns, source, account, reason, payload, owner FROM "
                             "dead_letters ORDER BY id DESC LIMIT ?2")
          : std::string_view("SELECT id, at_ns, source, account, reason, payload, owner FROM "
                             "dead_letters WHERE id < ?1 ORDER BY id DESC LIMIT ?2"));
  if (!after.empty()) rows.text(1, after);
  rows.bind(2, std::uint64_t{most + 1});
  Page<DeadLetter> page;
  std::size_t bytes = 0;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    auto letter = letter_of(rows);
    bytes += size_of(letter);
    if (page.items.size() == most || (!page.items.empty() && bytes > limits.bytes)) {
      page.next = page.items.back().id;
      break;
    }
    page.items.push_back(std::move(letter));
  }
  if (!row) return pass(row);
  return page;
}

Result<DeadLetter> StateFile::dead_letter(std::string const& id) {
  auto found = database_->query(
      "SELECT id, at_ns, source, account, reason, payload, owner FROM dead_letters WHERE id = ?1");
  found.text(1, id);
  auto const row = found.step();
  if (!row) return pass(row);
  if (!*row) return fail(Fault::missing, "dead letter " + id + ": there is none");
  return letter_of(found);
}

}  // namespace millrace::store
