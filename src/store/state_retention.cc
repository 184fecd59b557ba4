// What goes from state.db: what is too old, and what belongs to a stream that is no more.
#include <set>

#include "store/state_file.h"
#include "store/state_format.h"

namespace millrace::store {
namespace {

constexpr auto ledger_kept = std::chrono::hours(24 * 30);

// Each deletes at most a slice, by an index: what stays is not touched, and checkpoints come in between.
constexpr std::string_view old_undelivered =
    "DELETE FROM undelivered WHERE id IN (SELECT id FROM undelivered WHERE failed_ns < ?1 ORDER BY "
    "failed_ns LIMIT 500)";
constexpr std::string_view old_minutes =
    "DELETE FROM ledger WHERE (stream, minute) IN (SELECT stream, minute FROM ledger WHERE minute "
    "< "
    "?1 ORDER BY minute LIMIT 5000)";
constexpr std::string_view old_audit_lines =
    "DELETE FROM records WHERE collection = 'audit' AND id IN (SELECT id FROM records WHERE "
    "collection = 'audit' AND id < ?1 ORDER BY id LIMIT 1000)";

constexpr std::string_view undelivered_of =
    "DELETE FROM undelivered WHERE id IN (SELECT id FROM undelivered WHERE stream = ?1 LIMIT 500)";
constexpr std::string_view retries_of =
    "DELETE FROM retries WHERE (stream, run, batch, event) IN (SELECT stream, run, batch, event "
    "FROM retries "
    "WHERE stream = ?1 LIMIT 5000)";
constexpr std::string_view minutes_of =
    "DELETE FROM ledger WHERE (stream, minute) IN (SELECT stream, minute FROM ledger WHERE stream "
    "= "
    "?1 LIMIT 5000)";
constexpr std::string_view progress_of = "DELETE FROM streams WHERE stream = ?1";

// The next stream that has rows; each jumps over all rows of the one before.
constexpr std::string_view next_streams[] = {
    "SELECT stream FROM undelivered WHERE stream > ?1 ORDER BY stream LIMIT 1",
    "SELECT stream FROM retries WHERE stream > ?1 ORDER BY stream LIMIT 1",
    "SELECT stream FROM ledger WHERE stream > ?1 ORDER BY stream LIMIT 1",
    "SELECT stream FROM streams WHERE stream > ?1 ORDER BY stream LIMIT 1",
};

// No line that was written at `time` or later has an id below it.
std::string first_id_at(WallTime time) { return Uuid::v7(time, 0, 0).text(); }

}  // namespace

Result<std::uint64_t> StateFile::delete_slice(std::string_view sql, std::int64_t before) {
  auto gone = database_->query(sql);
  gone.bind(1, before);
  if (auto done = gone.run(); !done) return pass(done);
  return database_->changed();
}

Result<bool> StateFile::retain(WallTime now) {
  auto const& settings = folder_.settings;
  std::int64_t const failed_before = (now - settings.undelivered_age).time_since_epoch().count();
  std::int64_t const minute_before =
      std::chrono::floor<std::chrono::minutes>(now - ledger_kept).time_since_epoch().count();
  auto const audit_before = first_id_at(now - settings.audit_age);
  std::uint64_t removed = 0;
  auto const done = commit([&]() -> Result<void> {
    removed = 0;
    for (auto const& [sql, before] :
         {std::pair(old_undelivered, failed_before), std::pair(old_minutes, minute_before)}) {
      auto const count = delete_slice(sql, before);
      if (!count) return pass(count);
      removed += *count;
    }
    auto lines = database_->query(old_audit_lines);
    lines.text(1, audit_before);
    if (auto gone = lines.run(); !gone) return gone;
    removed += database_->changed();
    return put_mark(mark_);  // with the time, by which the next start knows how late it is
  });
  if (!done) return pass(done);
  return removed > 0;
}

Result<std::uint64_t> StateFile::delete_all_of(std::string_view sql, std::string const& key) {
  std::uint64_t sum = 0;
  for (;;) {
    std::uint64_t removed = 0;
    auto const done = commit([&]() -> Result<void> {
      if (auto gone = run(sql, key); !gone) return gone;
      removed = database_->changed();
      return {};
    });
    if (!done) return pass(done);
    if (removed == 0) return sum;
    sum += removed;
  }
}

Result<std::set<std::string>> StateFile::streams_with_rows() {
  std::set<std::string> found;
  for (auto const sql : next_streams) {
    std::string last;
    for (;;) {
      auto next = database_->query(sql);
      next.blob(1, last);
      auto const row = next.step();
      if (!row) return pass(row);
      if (!*row) break;
      last = next.bytes(0);
      found.insert(last);
    }
  }
  return found;
}

Result<std::uint64_t> StateFile::keep_streams(std::vector<StreamId> const& known) {
  if (auto folded = fold(); !folded) return pass(folded);
  auto orphans = streams_with_rows();
  if (!orphans) return pass(orphans);
  for (auto const& stream : known) orphans->erase(key_of(stream));
  std::uint64_t sum = 0;
  for (auto const& key : *orphans)
    // The row of the stream goes last: while it is there, the rest is found again.
    for (auto const sql : {undelivered_of, retries_of, minutes_of, progress_of}) {
      auto const removed = delete_all_of(sql, key);
      if (!removed) return pass(removed);
      sum += *removed;
    }
  return sum;
}

}  // namespace millrace::store
