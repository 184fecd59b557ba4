#include "store/database.h"

#include <fmt/format.h>

namespace millrace::store {
namespace {

// What stands after '?' is a parameter of the URI, so the path may hold none of its marks.
std::string uri_of(std::string_view path, bool sealed) {
  std::string uri = "file:";
  for (char const c : path) {
    if (c == '?' || c == '#' || c == '%')
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      uri.push_back(c);
  }
  return sealed ? uri + "?immutable=1" : uri;
}

Fault fault_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Fault::busy;
    case SQLITE_ERROR:  // our statements are right, so the tables are not there
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Fault::corrupt;
    default:
      return Fault::io;
  }
}

}  // namespace

// The only place where SQLite's codes become Faults. Where the disk has said what is wrong, its words are the answer: SQLite has one
// code for a full disk, used-up inodes and used-up descriptors.
Error Database::error_of(int code, std::string_view doing) const {
  auto const kind = code & 0xFF;
  if (kind == SQLITE_FULL || kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)
    if (auto const said = vfs_.take_failure(path_))
      return {said->fault, fmt::format("{}: {}: {}", path_, doing, said->what)};
  return {fault_of(code),
          fmt::format("{}: {}: {} ({})", path_, doing,
                      kind == SQLITE_FULL ? "no space is left on the disk" : sqlite3_errstr(code),
                      code)};
}

Result<std::unique_ptr<Database>> Database::open(SqliteVfs const& vfs, std::string path,
                                                 DatabaseOptions options) {
  bool const write = options.use == DatabaseUse::write;
  int const flags =
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI |
      (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
             : (options.use == DatabaseUse::sealed ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE));
  sqlite3* raw = nullptr;
  int const code = sqlite3_open_v2(uri_of(path, options.use == DatabaseUse::sealed).c_str(), &raw,
                                   flags, vfs.name());
  check(raw != nullptr, "SQLite has memory");
  std::unique_ptr<Database> database(new Database(vfs, raw, std::move(path)));
  if (code != SQLITE_OK) return std::unexpected(database->error_of(code, "open"));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 10'000);
  sqlite3_limit(raw, SQLITE_LIMIT_ATTACHED, 0);
  auto* const own = database.get();
  // Takes the place of the automatic checkpoint.
  sqlite3_wal_hook(
      raw,
      [](void* self, sqlite3*, char const*, int pages) {
        static_cast<Database*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      own);
  if (options.checkpoint_bytes == 0)
    sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (write && options.page_bytes != page_bytes) {
    int sum_bytes = SqliteVfs::sum_bytes;
    sqlite3_file_control(raw, "main", SQLITE_FCNTL_RESERVE_BYTES, &sum_bytes);
  }

  auto settings = fmt::format(
      "PRAGMA cache_size=-{}; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=1; PRAGMA "
      "foreign_keys=0;",
      options.cache_kib);
  if (write) {
    settings += fmt::format("PRAGMA synchronous={};",
                            !options.durable ? "OFF" : (options.sync_commits ? "FULL" : "NORMAL"));
    settings += fmt::format(
        "PRAGMA page_size={}; PRAGMA journal_mode=WAL; PRAGMA journal_size_limit={};",
        options.page_bytes,
        options.checkpoint_bytes > 0 ? static_cast<std::int64_t>(options.checkpoint_bytes) : -1);
  }
  if (auto done = database->run(settings.c_str()); !done) return pass(done);
  auto const page = database->number_of("PRAGMA page_size");
  if (!page) return pass(page);
  database->bytes_a_page_ = static_cast<std::uint64_t>(*page);
  if (options.checkpoint_bytes > 0)
    sqlite3_wal_autocheckpoint(
        raw, static_cast<int>(options.checkpoint_bytes / database->bytes_a_page_));
  return database;
}

Database::~Database() {
  for (auto const& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);  // an error leaves nothing to do: what counts was committed
}

Result<void> Database::run(char const* sql) {
  int const code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error_of(code, "run"));
  return {};
}

Result<std::int64_t> Database::number_of(std::string_view pragma) {
  auto found = query(pragma);
  auto const row = found.step();
  if (!row) return pass(row);
  return found.number(0);
}

Result<bool> Database::is_blank() {
  auto const version = number_of("PRAGMA user_version");
  if (!version) return pass(version);
  auto const owner = number_of("PRAGMA application_id");
  if (!owner) return pass(owner);
  return *version == 0 && *owner == 0;
}

Result<void> Database::migrate(std::int32_t application, std::span<char const* const> steps) {
  auto const version = number_of("PRAGMA user_version");
  if (!version) return pass(version);
  auto const owner = number_of("PRAGMA application_id");
  if (!owner) return pass(owner);
  bool const empty = *version == 0 && *owner == 0;
  if (!empty && *owner != application)
    return fail(Fault::corrupt, path_ + ": is not a file of this kind");
  auto const newest = static_cast<std::int64_t>(steps.size());
  if (*version > newest)
    return fail(
        Fault::invalid,
        fmt::format(
            "{}: was made by a newer version of Millrace (its layout is {}, this one knows {}): "
            "start that version, or restore an older copy",
            path_, *version, newest));
  for (auto at = *version; at < newest; ++at) {
    Transaction transaction(*this);
    if (auto done = transaction.begin(); !done) return done;
    if (auto done = run(steps[static_cast<std::size_t>(at)]); !done) return done;
    auto const marks =
        fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", application, at + 1);
    if (auto done = run(marks.c_str()); !done) return done;
    if (auto done = transaction.commit(); !done) return done;
  }
  return {};
}

Query Database::query(std::string_view sql) {
  auto const at = statements_.find(sql);
  if (at != statements_.end()) return {*this, at->second, SQLITE_OK};
  sqlite3_stmt* statement = nullptr;
  int const code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code == SQLITE_OK) statements_.emplace(sql, statement);
  return {*this, statement, code};
}

std::uint64_t Database::changed() const {
  return static_cast<std::uint64_t>(sqlite3_changes64(db_));
}

Result<bool> Database::checkpoint(bool truncate) {
  int frames = 0;
  int moved = 0;
  int const mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  int const code = sqlite3_wal_checkpoint_v2(db_, nullptr, mode, &frames, &moved);
  if (code == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) return std::unexpected(error_of(code, "checkpoint"));
  return frames == moved;
}

Query::~Query() {
  if (statement_ == nullptr) return;
  auto const steps = sqlite3_stmt_status(statement_, SQLITE_STMTSTATUS_VM_STEP, 1);
  database_.work_ += static_cast<std::uint64_t>(steps);
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(int at, std::int64_t value) {
  if (code_ == SQLITE_OK) note(sqlite3_bind_int64(statement_, at, value));
  return *this;
}
Query& Query::text(int at, std::string_view value) {
  if (code_ == SQLITE_OK)
    note(sqlite3_bind_text64(statement_, at, value.data() == nullptr ? "" : value.data(),
                             value.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}
Query& Query::blob(int at, std::string_view value) {
  if (code_ == SQLITE_OK)
    note(sqlite3_bind_blob64(statement_, at, value.data() == nullptr ? "" : value.data(),
                             value.size(), SQLITE_STATIC));
  return *this;
}

Result<bool> Query::step() {
  if (code_ == SQLITE_OK) {
    int const code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    code_ = code;
  }
  return std::unexpected(database_.error_of(code_, "query"));
}

Result<void> Query::run() {
  for (;;) {
    auto const row = step();
    if (!row) return pass(row);
    if (!*row) break;
  }
  sqlite3_reset(statement_);
  return {};
}

std::string_view Query::bytes(int column) const {
  auto const* const data = static_cast<char const*>(sqlite3_column_blob(statement_, column));
  auto const size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}

Transaction::~Transaction() {
  // A failed statement may have ended the transaction already.
  if (open_ && database_.in_transaction()) static_cast<void>(database_.run("ROLLBACK"));
}

Result<void> Transaction::begin() {
  auto done = database_.run("BEGIN IMMEDIATE");
  open_ = done.has_value();
  return done;
}

Result<void> Transaction::commit() {
  auto done = database_.run("COMMIT");
  if (done) open_ = false;
  return done;
}

}  // namespace millrace::store
