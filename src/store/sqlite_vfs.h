// SQLite's view of the disk, through io::Files: so that tests can fail any operation, and a failed sync has one place.
//   Why      The index of a write-ahead log is shared memory. One process owns a folder (FolderLock), so that memory is the
//            heap, and file locks are counters.
//   Sums     The last 8 bytes of a page of a database whose pages are not of 16 KiB are a checksum: made when the page is written to
//            the file, checked when it is read from there (the WAL has checksums of its own). A page that is not what was written
//            fails the read as corrupt. A page of zeros was never written.
//   Threads  Any, as SQLite asks; one connection by one thread at a time.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "io/files.h"

namespace millrace::store {

class SqliteVfs {
 public:
  static constexpr int sum_bytes = 8;

  // `fatal` is called when a sync fails: the state of the file is unknown then. It should not return; if it does (tests), the sync
  // fails in SQLite.
  SqliteVfs(io::Files& files, std::function<void(std::string const&)> fatal);
  SqliteVfs(SqliteVfs const&) = delete;
  SqliteVfs& operator=(SqliteVfs const&) = delete;
  ~SqliteVfs();  // every connection is closed by then

  char const* name() const;  // for sqlite3_open_v2()

  // What the disk said when an operation on the database `path` failed last, once: SQLite passes on a code, which says less.
  // Any thread.
  std::optional<Error> take_failure(std::string const& path) const;

  struct Inside;

 private:
  std::unique_ptr<Inside> inside_;
};

}  // namespace millrace::store
