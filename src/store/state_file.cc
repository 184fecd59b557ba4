#include "store/state_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "store/state_format.h"
#include "store/state_wal.h"

namespace millrace::store {
namespace {

constexpr std::int32_t application = 0x4D525354;  // "MRST"
constexpr char const* steps[] = {
    "CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE journal(id INTEGER PRIMARY KEY, deltas BLOB NOT NULL);"
    "CREATE TABLE streams(stream BLOB PRIMARY KEY, progress BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE retries(stream BLOB NOT NULL, batch INTEGER NOT NULL, event INTEGER NOT NULL, "
    "retry BLOB NOT NULL,"
    " PRIMARY KEY(stream, batch, event)) WITHOUT ROWID;"
    "CREATE TABLE ledger(stream BLOB NOT NULL, minute INTEGER NOT NULL, delivered INTEGER NOT "
    "NULL, failed INTEGER NOT NULL,"
    " timeouts INTEGER NOT NULL, others INTEGER NOT NULL, PRIMARY KEY(stream, minute)) WITHOUT "
    "ROWID;"
    "CREATE TABLE undelivered(id INTEGER PRIMARY KEY, stream BLOB NOT NULL, batch INTEGER NOT "
    "NULL, event INTEGER NOT NULL,"
    " event_id BLOB NOT NULL, account TEXT NOT NULL, type TEXT NOT NULL, metadata_bytes INTEGER "
    "NOT NULL, accepted_ms INTEGER NOT NULL,"
    " failed_ns INTEGER NOT NULL, failure INTEGER NOT NULL, status INTEGER NOT NULL, reason TEXT "
    "NOT NULL, payload BLOB NOT NULL);"
    "CREATE UNIQUE INDEX undelivered_at ON undelivered(stream, batch, event);"
    "CREATE INDEX undelivered_newest ON undelivered(stream, failed_ns, id);"
    "CREATE INDEX undelivered_oldest ON undelivered(failed_ns);"
    "CREATE TABLE records(collection TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, "
    "value BLOB NOT NULL,"
    " PRIMARY KEY(collection, id)) WITHOUT ROWID;"
    "CREATE TABLE dead_letters(id TEXT PRIMARY KEY, at_ns INTEGER NOT NULL, source TEXT NOT NULL, "
    "account TEXT NOT NULL,"
    " reason TEXT NOT NULL, payload BLOB NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;",
    // Retention touches what goes, and nothing else.
    "CREATE INDEX ledger_oldest ON ledger(minute);",
    "ALTER TABLE dead_letters ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
    "UPDATE dead_letters SET owner = account;"
    "CREATE INDEX dead_letters_owner ON dead_letters(owner, id, bytes);"
    "CREATE TABLE letters_dropped(account TEXT PRIMARY KEY, letters INTEGER NOT NULL) WITHOUT "
    "ROWID;",
    ("ALTER TABLE records ADD COLUMN change INTEGER NOT NULL DEFAULT 0;"
     "CREATE INDEX records_changed ON records(collection, change);"),
    // Rows of a run of its own stand beside those of the live one.
    "CREATE TABLE retries_of_runs(stream BLOB NOT NULL, run INTEGER NOT NULL, batch INTEGER NOT "
    "NULL, "
    "event INTEGER NOT NULL, retry BLOB NOT NULL, PRIMARY KEY(stream, run, batch, event)) WITHOUT "
    "ROWID;"
    "INSERT INTO retries_of_runs SELECT stream, 0, batch, event, retry FROM retries;"
    "DROP TABLE retries;"
    "ALTER TABLE retries_of_runs RENAME TO retries;"
    "ALTER TABLE undelivered ADD COLUMN run INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX undelivered_at;"
    "CREATE UNIQUE INDEX undelivered_at ON undelivered(stream, run, batch, event);",
    // A checkpoint is one row, and so one page: the marks that move with it stand in it.
    ("ALTER TABLE journal ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE journal ADD COLUMN log_next INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE journal ADD COLUMN time_ms INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE journal ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE journal ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE journal ADD COLUMN attempts_blocks INTEGER NOT NULL DEFAULT 0;"),
};

constexpr std::uint64_t most_journal_rows = 1'000;
std::int64_t ns_of(WallTime time) { return time.time_since_epoch().count(); }
WallTime time_of(std::int64_t ns) { return WallTime(Duration(ns)); }

}  // namespace

Result<void> StateFile::open(LogMark const& log) {
  if (auto good = guard_.before_open(); !good) return good;
  auto const rest = check_wal();
  if (!rest) return pass(rest);
  if (auto done = with_reserve([&] { return open_database(*rest); }); !done)
    return std::unexpected(guard_.unreadable(std::move(done.error())));
  if (auto done = read_all(); !done)
    return std::unexpected(guard_.unreadable(std::move(done.error())));
  if (stored_time_) folder_.time.begin(*stored_time_);
  auto const mark = guard_.judge(mark_, log);
  if (!mark) return pass(mark);
  if (*mark != mark_)
    if (auto done = commit([&] { return put_mark(*mark); }); !done) return done;
  mark_ = *mark;
  folder_.changes = mark_.changes;
  folder_.commits = mark_.commits;
  if (auto done = with_reserve([this] { return guard_.begin(mark_); }); !done) return done;
  auto const folded = fold();
  // A full disk does not keep a node from starting: what the journal says is in memory, too.
  if (!folded && folded.error().fault != Fault::busy) return folded;
  return {};
}

Result<void> StateFile::open_database(bool wal_rest) {
  DatabaseOptions options;
  options.durable = folder_.settings.durable;
  options.checkpoint_bytes = 4 << 20;
  options.page_bytes = 4 * 1024;
  options.cache_kib = 16 * 1024;
  auto opened = Database::open(folder_.vfs, folder_.path("state.db"), options);
  if (!opened) return pass(opened);
  database_ = std::move(*opened);
  // Or the next commits would leave a part of it behind them, and it would look as if it had been stored after them.
  if (wal_rest)
    if (auto done = database_->checkpoint(true); !done && done.error().fault != Fault::busy)
      return pass(done);
  if (auto whole = check_last_page(); !whole) return whole;
  auto const blank = database_->is_blank();
  if (!blank) return pass(blank);
  if (*blank)
    if (auto good = guard_.is_blank(); !good) return good;
  return database_->migrate(application, steps);
}

// Answers whether there is a part of an unfinished transaction.
Result<bool> StateFile::check_wal() {
  auto const end = find_wal_end(folder_.files, folder_.path("state.db-wal"));
  if (!end) return pass(end);
  if (!*end) return false;
  if ((*end)->commits > 1)
    if (auto accepted = guard_.wal_is_damaged((*end)->bytes, (*end)->commits); !accepted)
      return pass(accepted);
  return (*end)->rest;
}

// SQLite takes a page whose end is cut off for one that ends in zeros. A checkpoint that a crash cut short leaves such a page, too, and
// then the write-ahead log still holds all of it.
Result<void> StateFile::check_last_page() {
  auto const is_whole = [this]() -> Result<bool> {
    auto const file = folder_.files.open(database_->path(), io::OpenMode::read);
    if (!file) return pass(file);
    auto const size = (*file)->size();
    if (!size) return pass(size);
    return *size % database_->bytes_a_page() == 0;
  };
  auto whole = is_whole();
  if (whole && !*whole) {
    if (auto done = database_->checkpoint(false); !done) return pass(done);
    whole = is_whole();
  }
  if (!whole) return pass(whole);
  return *whole ? Result<void>() : fail(Fault::corrupt, database_->path() + ": is cut off");
}

Result<void> StateFile::read_all() {
  if (auto done = read_marks(); !done) return done;
  if (auto done = read_journal(); !done) return done;
  return load_letters();
}

Result<void> StateFile::read_marks() {
  auto rows = database_->query("SELECT name, value FROM marks");
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    auto const name = rows.bytes(0);
    auto const value = rows.count(1);
    if (name == "log_next") known_next_ = value;
    if (name == "time_ms") stored_time_ = from_unix_ms(rows.number(1));
    if (name == "folder") mark_.folder = value;
    if (name == "commits") mark_.commits = value;
    if (name == "changes") mark_.changes = value;
    if (name == "epoch") epoch_ = value + 1;
    if (name == "attempts") folder_.newest_attempts = value;
    if (name == "attempts_blocks") folder_.attempts_blocks = value;
    if (name == "log_oldest") folder_.log_oldest = value;
  }
  if (!row) return pass(row);
  return read_journal_marks();
}

Result<void> StateFile::read_journal_marks() {
  auto newest = database_->query(
      "SELECT commits, log_next, time_ms, epoch, attempts, attempts_blocks FROM journal ORDER BY "
      "id DESC LIMIT 1");
  auto const row = newest.step();
  if (!row) return pass(row);
  if (!*row || newest.count(0) == 0 || newest.count(0) < mark_.commits) return {};
  mark_.commits = newest.count(0);
  known_next_ = std::max(known_next_, newest.count(1));
  stored_time_ = from_unix_ms(newest.number(2));
  epoch_ = std::max(epoch_, newest.count(3) + 1);
  folder_.newest_attempts = newest.count(4);
  folder_.attempts_blocks = newest.count(5);
  return {};
}

Result<void> StateFile::put_mark(StateMark const& mark) {
  auto put = database_->query(
      "INSERT INTO marks(name, value) VALUES('folder', ?1), ('commits', ?2), ('changes', ?3), "
      "('time_ms', ?4), ('epoch', ?5), ('attempts', ?6), ('attempts_blocks', ?7), ('log_oldest', "
      "?8) ON CONFLICT(name) DO UPDATE SET value = "
      "excluded.value");
  put.bind(1, mark.folder).bind(2, mark.commits).bind(3, mark.changes);
  put.bind(4, unix_ms(folder_.time.earliest())).bind(5, epoch_);
  put.bind(6, folder_.newest_attempts.load()).bind(7, folder_.attempts_blocks.load());
  put.bind(8, folder_.log_oldest.load());
  return put.run();
}

Result<void> StateFile::remember() {
  return commit([this] { return put_mark(mark_); });
}

Result<void> StateFile::read_journal() {
  auto rows = database_->query("SELECT deltas, id FROM journal ORDER BY id");
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    auto deltas = decode_deltas(rows.bytes(0));
    if (!deltas)
      return fail(Fault::corrupt, fmt::format("{}: checkpoint {}: {}", database_->path(),
                                              rows.number(1), deltas.error().what));
    for (auto const& delta : *deltas) apply(delta);
    ++journal_rows_;
  }
  if (!row) return pass(row);
  return {};
}

Result<void> StateFile::close(std::uint64_t log_next) {
  auto done = fold();
  if (done)
    done = commit([&]() -> Result<void> {
      if (auto marked = remember_head(log_next); !marked) return marked;
      return put_mark(mark_);
    });
  database_.reset();
  return done;
}

Result<void> StateFile::run(std::string_view sql, std::string_view key) {
  auto query = database_->query(sql);
  query.blob(1, key);
  return query.run();
}

// ---- checkpoints ------------------------------------------------------------------------------------------------------------

Result<std::vector<Saved>> StateFile::checkpoint(std::uint64_t epoch,
                                                 std::vector<StreamDelta> const& deltas,
                                                 std::uint64_t log_next) {
  check(epoch <= epoch_, "an epoch was given out before it is used");
  if (epoch < epoch_)
    return fail(
        Fault::fenced,
        fmt::format("progress: the shard has a newer owner (epoch {}, not {})", epoch_, epoch));
  auto const began = folder_.clock.now();
  auto const row = encode_deltas(deltas);
  auto next = mark_;
  ++next.commits;
  known_next_ = std::max(known_next_, log_next);
  auto const done = commit([&]() -> Result<void> {
    if (auto put = put_journal(next, row); !put) return put;
    return write_checkpoint(deltas);
  });
  if (!done) return pass(done);
  counted(next, false);
  for (auto const& delta : deltas) apply(delta);
  journal_bytes_ += row.size();
  ++journal_rows_;
  folder_.meters().checkpoints.add();
  folder_.meters().checkpoint_time.add(folder_.clock.now() - began);
  if (journal_bytes_ >= folder_.settings.journal_bytes || journal_rows_ >= most_journal_rows)
    // What was asked is on disk. A fold that fails is tried again by the next checkpoint.
    if (auto folded = fold(); !folded)
      folder_.log.warning("the journal of streams cannot be folded now",
                          {{"file", database_->path()}, {"why", folded.error().what}});
  return std::vector(deltas.size(), Saved::stored);
}

Result<void> StateFile::remember_head(std::uint64_t log_next) {
  auto mark = database_->query(
      "INSERT INTO marks(name, value) VALUES('log_next', ?1) ON CONFLICT(name) DO UPDATE SET value "
      "= max(value, excluded.value)");
  mark.bind(1, log_next);
  return mark.run();
}

Result<void> StateFile::put_journal(StateMark const& mark, std::string const& row) {
  auto journal = database_->query(
      "INSERT INTO journal(deltas, commits, log_next, time_ms, epoch, attempts, attempts_blocks) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  journal.blob(1, row).bind(2, mark.commits).bind(3, known_next_);
  journal.bind(4, unix_ms(folder_.time.earliest())).bind(5, epoch_);
  journal.bind(6, folder_.newest_attempts.load()).bind(7, folder_.attempts_blocks.load());
  return journal.run();
}

Result<void> StateFile::write_checkpoint(std::vector<StreamDelta> const& deltas) {
  for (auto const& delta : deltas) {
    auto const key = key_of(delta.stream);
    if (delta.removed) {
      if (auto done = run("DELETE FROM undelivered WHERE stream = ?1", key); !done) return done;
      continue;
    }
    for (auto const& event : delta.undelivered) {
      auto put = database_->query(
          "INSERT OR REPLACE INTO undelivered(stream, batch, event, event_id, account, type, "
          "metadata_bytes, accepted_ms, failed_ns, failure,"
          " status, reason, payload, run) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
          "?12, "
          "?13, ?14)");
      auto const id = key_of(event.event);
      put.blob(1, key)
          .bind(2, event.work.at.batch)
          .bind(3, event.work.at.index)
          .blob(4, id)
          .text(5, event.kind.account)
          .text(6, event.kind.type);
      put.bind(7, event.metadata_bytes)
          .bind(8, unix_ms(event.accepted_at))
          .bind(9, ns_of(kept_from(event.failed_at)));
      put.bind(10, std::int64_t{static_cast<std::uint8_t>(event.failure)})
          .bind(11, std::int64_t{event.status})
          .text(12, event.reason)
          .blob(13, event.payload)
          .bind(14, event.work.run);
      if (auto done = put.run(); !done) return done;
    }
    for (auto const& work : delta.undelivered_ended) {
      auto gone = database_->query(
          "DELETE FROM undelivered WHERE stream = ?1 AND run = ?2 AND batch = ?3 AND event = ?4");
      gone.blob(1, key).bind(2, work.run).bind(3, work.at.batch).bind(4, work.at.index);
      if (auto done = gone.run(); !done) return done;
    }
  }
  return {};
}

// When the wall has fallen back, what fails now is not old for that.
WallTime StateFile::kept_from(WallTime failed_at) const {
  if (!folder_.time.doubt()) return failed_at;
  return std::max(failed_at, folder_.time.latest() - io::TrustedTime::tolerance);
}

void StateFile::apply(StreamDelta const& delta) {
  auto& pending = pending_[delta.stream];
  if (delta.removed) {
    pending = {};
    pending.removed = true;
    return;
  }
  pending.alive = true;
  pending.progress = delta.progress;
  for (auto const& work : delta.retries_ended) pending.retries[work] = std::nullopt;
  for (auto const& retry : delta.retries) pending.retries[retry.work] = retry;
  for (auto const& minute : delta.ledger) {
    auto& sum = pending.ledger[minute.minute];
    sum.minute = minute.minute;
    sum.delivered += minute.delivered;
    sum.attempts_failed += minute.attempts_failed;
    sum.undelivered_timeout += minute.undelivered_timeout;
    sum.undelivered_other += minute.undelivered_other;
  }
}

Result<void> StateFile::fold() {
  if (pending_.empty() && journal_rows_ == 0) return {};
  auto done = commit([&] { return write_folded(); });
  if (!done) return done;
  pending_.clear();
  journal_bytes_ = 0;
  journal_rows_ = 0;
  return {};
}

Result<void> StateFile::write_folded() {
  for (auto const& [stream, pending] : pending_)
    if (auto done = fold_stream(key_of(stream), pending); !done) return done;
  if (auto done = database_->run("DELETE FROM journal"); !done) return done;
  if (auto done = remember_head(known_next_); !done) return done;
  return put_mark(mark_);
}

Result<void> StateFile::fold_stream(std::string const& key, Pending const& pending) {
  if (pending.removed)
    for (std::string_view const sql : {std::string_view("DELETE FROM streams WHERE stream = ?1"),
                                       std::string_view("DELETE FROM retries WHERE stream = ?1"),
                                       std::string_view("DELETE FROM ledger WHERE stream = ?1")})
      if (auto done = run(sql, key); !done) return done;
  if (!pending.alive) return {};
  {
    auto const progress = encode_progress(pending.progress);
    auto put = database_->query("INSERT OR REPLACE INTO streams(stream, progress) VALUES(?1, ?2)");
    put.blob(1, key).blob(2, progress);
    if (auto done = put.run(); !done) return done;
  }
  for (auto const& [work, retry] : pending.retries) {
    auto const bytes = retry ? encode_retry(*retry) : std::string();
    auto row = database_->query(
        retry
            ? std::string_view("INSERT OR REPLACE INTO retries(stream, run, batch, event, retry) "
                               "VALUES(?1, ?2, ?3, ?4, ?5)")
            : std::string_view("DELETE FROM retries WHERE stream = ?1 AND run = ?2 AND batch = ?3 "
                               "AND event = ?4"));
    row.blob(1, key).bind(2, work.run).bind(3, work.at.batch).bind(4, work.at.index);
    if (retry) row.blob(5, bytes);
    if (auto done = row.run(); !done) return done;
  }
  for (auto const& [minute, sum] : pending.ledger) {
    auto row = database_->query(
        "INSERT INTO ledger(stream, minute, delivered, failed, timeouts, others) VALUES(?1, ?2, "
        "?3, ?4, ?5, ?6)"
        " ON CONFLICT(stream, minute) DO UPDATE SET delivered = delivered + excluded.delivered, "
        "failed = failed + excluded.failed,"
        " timeouts = timeouts + excluded.timeouts, others = others + excluded.others");
    row.blob(1, key).bind(2, minute).bind(3, sum.delivered).bind(4, sum.attempts_failed);
    row.bind(5, sum.undelivered_timeout).bind(6, sum.undelivered_other);
    if (auto done = row.run(); !done) return done;
  }
  return {};
}

Result<std::vector<StreamState>> StateFile::load_streams() {
  // On a full disk the journal stays, and is laid over what the rows say.
  if (auto done = fold(); !done && done.error().fault != Fault::busy) return pass(done);
  std::map<StreamId, StreamState> found;
  {
    auto rows = database_->query("SELECT stream, progress FROM streams");
    auto row = rows.step();
    for (; row && *row; row = rows.step()) {
      auto const stream = stream_of(rows.bytes(0));
      auto progress = decode_progress(rows.bytes(1));
      if (!progress)
        return fail(Fault::corrupt, fmt::format("{}: stream {}: {}", database_->path(),
                                                stream.text(), progress.error().what));
      auto& state = found[stream];
      state.stream = stream;
      state.progress = std::move(*progress);
    }
    if (!row) return pass(row);
  }
  {
    auto rows =
        database_->query("SELECT stream, retry FROM retries ORDER BY stream, run, batch, event");
    auto row = rows.step();
    for (; row && *row; row = rows.step()) {
      auto const at = found.find(stream_of(rows.bytes(0)));
      auto retry = decode_retry(rows.bytes(1));
      if (!retry)
        return fail(Fault::corrupt,
                    fmt::format("{}: a retry: {}", database_->path(), retry.error().what));
      if (at != found.end()) at->second.retries.push_back(std::move(*retry));
    }
    if (!row) return pass(row);
  }
  {
    auto rows = database_->query("SELECT stream, count(*) FROM undelivered GROUP BY stream");
    auto row = rows.step();
    for (; row && *row; row = rows.step())
      if (auto const at = found.find(stream_of(rows.bytes(0))); at != found.end())
        at->second.undelivered = rows.count(1);
    if (!row) return pass(row);
  }
  for (auto const& [stream, pending] : pending_) lay_over(found, stream, pending);
  std::vector<StreamState> states;
  for (auto& [stream, state] : found) states.push_back(std::move(state));
  return states;
}

void StateFile::lay_over(std::map<StreamId, StreamState>& found, StreamId stream,
                         Pending const& pending) {
  if (pending.removed) found.erase(stream);
  if (!pending.alive) return;
  auto& state = found[stream];
  state.stream = stream;
  state.progress = pending.progress;
  std::erase_if(state.retries,
                [&](Retry const& retry) { return pending.retries.contains(retry.work); });
  for (auto const& [work, retry] : pending.retries)
    if (retry) state.retries.push_back(*retry);
  std::ranges::sort(state.retries, {}, &Retry::work);
}

// ---- undelivered, ledger ----------------------------------------------------------------------------------------------------

Result<std::uint64_t> StateFile::undelivered_count(StreamId stream) {
  auto rows = database_->query("SELECT count(*) FROM undelivered WHERE stream = ?1");
  auto const key = key_of(stream);
  rows.blob(1, key);
  auto const row = rows.step();
  if (!row) return pass(row);
  return rows.count(0);
}

Result<Page<Undelivered>> StateFile::undelivered(StreamId stream, std::string const& after,
                                                 PageLimits limits, Payloads payloads) {
  // The cursor is "failed_ns.id" of the last one shown.
  std::int64_t failed = std::numeric_limits<std::int64_t>::max();
  std::int64_t id = std::numeric_limits<std::int64_t>::max();
  if (!after.empty()) {
    auto const [dot, bad] = std::from_chars(after.data(), after.data() + after.size(), failed);
    if (bad != std::errc() || dot == after.data() + after.size() || *dot != '.')
      return fail(Fault::invalid, "after: is not a cursor of this list");
    auto const [end, worse] = std::from_chars(dot + 1, after.data() + after.size(), id);
    if (worse != std::errc() || end != after.data() + after.size())
      return fail(Fault::invalid, "after: is not a cursor of this list");
  }
  auto const most = std::clamp<std::size_t>(limits.items, 1, 1'000);
  auto rows = database_->query(
      payloads == Payloads::with
          ? std::string_view(
                "SELECT batch, event, event_id, account, type, metadata_bytes, "
                "accepted_ms, failed_ns, failure, status, reason, id, run, payload FROM "
                "undelivered WHERE stream = ?1 AND (failed_ns, id) < (?2, ?3) ORDER "
                "BY failed_ns DESC, id DESC LIMIT ?4")
          : std::string_view("SELECT batch, event, event_id, account, type, metadata_bytes, "
                             "accepted_ms, failed_ns, failure, status, reason, id, run FROM "
                             "undelivered WHERE stream = ?1 AND (failed_ns, id) < (?2, ?3) ORDER "
                             "BY failed_ns DESC, id DESC LIMIT ?4"));
  auto const key = key_of(stream);
  rows.blob(1, key).bind(2, failed).bind(3, id).bind(4, std::uint64_t{most + 1});
  Page<Undelivered> page;
  std::string cursor;
  std::size_t bytes = 0;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    Undelivered event;
    event.work = {static_cast<std::uint32_t>(rows.number(12)),
                  {rows.count(0), static_cast<std::uint32_t>(rows.number(1))}};
    event.event = event_of(rows.bytes(2));
    event.kind = {std::string(rows.bytes(3)), std::string(rows.bytes(4))};
    event.metadata_bytes = static_cast<std::uint32_t>(rows.number(5));
    event.accepted_at = from_unix_ms(rows.number(6));
    event.failed_at = time_of(rows.number(7));
    event.failure = static_cast<model::FailureClass>(rows.number(8));
    event.status = static_cast<std::uint16_t>(rows.number(9));
    event.reason = rows.bytes(10);
    if (payloads == Payloads::with) event.payload = rows.bytes(13);
    bytes += 256 + event.kind.account.size() + event.kind.type.size() + event.reason.size() +
             event.payload.size();
    if (page.items.size() == most || (!page.items.empty() && bytes > limits.bytes)) {
      page.next = cursor;
      break;
    }
    cursor = fmt::format("{}.{}", rows.number(7), rows.number(11));
    page.items.push_back(std::move(event));
  }
  if (!row) return pass(row);
  return page;
}

Result<std::vector<LedgerMinute>> StateFile::ledger(StreamId stream, std::int64_t from,
                                                    std::int64_t to) {
  std::map<std::int64_t, LedgerMinute> sums;
  auto const add = [&](LedgerMinute const& minute) {
    auto& sum = sums[minute.minute];
    sum.minute = minute.minute;
    sum.delivered += minute.delivered;
    sum.attempts_failed += minute.attempts_failed;
    sum.undelivered_timeout += minute.undelivered_timeout;
    sum.undelivered_other += minute.undelivered_other;
  };
  auto const pending = pending_.find(stream);
  if (pending == pending_.end() || !pending->second.removed) {
    auto rows = database_->query(
        "SELECT minute, delivered, failed, timeouts, others FROM ledger WHERE stream = ?1 AND "
        "minute >= ?2 AND minute < ?3");
    auto const key = key_of(stream);
    rows.blob(1, key).bind(2, from).bind(3, to);
    auto row = rows.step();
    auto const small = [&](int column) { return static_cast<std::uint32_t>(rows.number(column)); };
    for (; row && *row; row = rows.step())
      add({rows.number(0), small(1), small(2), small(3), small(4)});
    if (!row) return pass(row);
  }
  if (pending != pending_.end())
    for (auto const& [minute, sum] : pending->second.ledger)
      if (minute >= from && minute < to) add(sum);
  std::vector<LedgerMinute> minutes;
  for (auto const& [minute, sum] : sums) minutes.push_back(sum);
  return minutes;
}

}  // namespace millrace::store
