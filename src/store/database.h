// A SQLite file, with Results for codes. One thread at a time.
#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/sqlite_vfs.h"

namespace millrace::store {

enum class DatabaseUse {
  write,   // made when absent; with a WAL
  read,    // beside a writer of this process
  sealed,  // nobody writes it any more and its WAL is in it: read without locks
};

struct DatabaseOptions {
  DatabaseUse use = DatabaseUse::write;
  bool durable = true;       // false: never synced
  bool sync_commits = true;  // false: a crash may lose the newest commits, whole
  // Of the WAL, after which a commit checkpoints; what is longer is cut then. 0: never by itself, nor when it closes.
  std::uint64_t checkpoint_bytes = 0;
  // Of a page of a new file; one that is there keeps its own. Pages of any size but 16 KiB end with a checksum (sqlite_vfs.h).
  std::uint64_t page_bytes = 16 * 1024;
  int cache_kib = 2048;
};

class Query;

class Database {
 public:
  static constexpr std::uint64_t page_bytes = 16 * 1024;  // unless the options say otherwise

  // Fails with: missing (read, sealed), corrupt, busy (no space), io.
  static Result<std::unique_ptr<Database>> open(SqliteVfs const& vfs, std::string path,
                                                DatabaseOptions options);
  Database(Database const&) = delete;
  Database& operator=(Database const&) = delete;
  ~Database();

  // Brings the file to version steps.size(): step i makes version i + 1 out of version i. `application` marks whose file it is.
  // Fails with: invalid (a newer version made it), corrupt (not this kind of file), busy, io.
  Result<void> migrate(std::int32_t application, std::span<char const* const> steps);
  Result<void> run(char const* sql);  // statements without values
  // `sql` outlives the Database: a literal. One Query of a text at a time.
  Query query(std::string_view sql);
  // Moves the WAL into the file; `truncate` ends with an empty WAL. False: readers or writers kept it from finishing.
  Result<bool> checkpoint(bool truncate);

  std::uint64_t bytes_a_page() const { return bytes_a_page_; }
  std::uint64_t changed() const;                // rows, by the latest statement
  int wal_pages() const { return wal_pages_; }  // after the latest commit
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  std::string const& path() const { return path_; }
  Result<std::int64_t> layout() {
    return number_of("PRAGMA user_version");
  }  // as migrate() left it
  // True: nothing has ever been committed to it, as to a file that was just made. Fails as a query does.
  Result<bool> is_blank();
  // How much SQLite has done for queries that have ended, in steps of its machine: a measure of work for tests.
  std::uint64_t work() const { return work_; }
  Error error_of(int code, std::string_view doing) const;

 private:
  friend class Query;
  Database(SqliteVfs const& vfs, sqlite3* db, std::string path)
      : vfs_(vfs), db_(db), path_(std::move(path)) {}
  Result<std::int64_t> number_of(std::string_view pragma);

  SqliteVfs const& vfs_;
  sqlite3* db_;
  std::string path_;
  int wal_pages_ = 0;
  std::uint64_t bytes_a_page_ = page_bytes;
  std::uint64_t work_ = 0;
  std::map<std::string_view, sqlite3_stmt*> statements_;
};

// A statement at work: bind, then step. Failures of bind and prepare show at step(). Ends (is reset) with the object.
class Query {
 public:
  Query(Query&& other) noexcept
      : database_(other.database_), statement_(other.statement_), code_(other.code_) {
    other.statement_ = nullptr;
  }
  Query& operator=(Query&&) = delete;
  ~Query();

  Query& bind(int at, std::int64_t value);
  Query& bind(int at, std::uint64_t value) { return bind(at, static_cast<std::int64_t>(value)); }
  Query& bind(int at, std::uint32_t value) { return bind(at, static_cast<std::int64_t>(value)); }
  Query& text(int at, std::string_view value);  // the bytes outlive the step
  Query& blob(int at, std::string_view value);

  Result<bool> step();  // true: a row is there
  Result<void> run();   // steps to the end and makes it ready for new values

  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::uint64_t count(int column) const { return static_cast<std::uint64_t>(number(column)); }
  std::string_view bytes(int column) const;  // of text or blob; until the next step
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  friend class Database;
  Query(Database& database, sqlite3_stmt* statement, int code)
      : database_(database), statement_(statement), code_(code) {}
  void note(int code) {
    if (code_ == SQLITE_OK) code_ = code;
  }

  Database& database_;
  sqlite3_stmt* statement_;
  int code_;
};

// Rolls back unless commit() answered.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  Transaction(Transaction const&) = delete;
  Transaction& operator=(Transaction const&) = delete;
  ~Transaction();
  Result<void> begin();
  Result<void> commit();

 private:
  Database& database_;
  bool open_ = false;
};

}  // namespace millrace::store
