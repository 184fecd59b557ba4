// What was tried, for people to look at: blocks of attempts, zstd, in files by time (`attempts-<ms of the first>.db`).
//   Threads  add() from any; all else on the attempts worker.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/shared.h"
#include "store/database.h"
#include "store/folder.h"

namespace millrace::store {

struct AttemptFile {
  std::uint64_t start = 0;  // the milliseconds in its name
  std::string path;
};

std::size_t size_of(model::Attempt const& attempt);  // about what it takes, in bytes

class AttemptLog {
 public:
  explicit AttemptLog(Folder& folder) : folder_(folder) {}

  Result<void> open();
  Result<void> close();
  // True: a block is full, or its first attempt has waited long enough; call flush().
  bool add(model::Attempt attempt);
  bool is_due() const;
  void flush();  // what fails is logged, dropped and counted
  // The files there are, oldest first, with all that was added until now: what is shown is on disk, so that nothing that somebody has
  // seen is gone after a crash.
  std::vector<AttemptFile> stored();
  Result<void> retain(WallTime now);

 private:
  struct Queue {
    std::vector<model::Attempt> attempts;
    std::size_t bytes = 0;
    std::unordered_map<StreamId, std::size_t> by_stream;  // of those bytes
    SteadyTime since{};
    bool asked = false;  // somebody was told to flush
  };
  struct File {
    std::string path;
    std::uint64_t bytes = 0;
    std::unique_ptr<Database> database;
  };
  Result<void> write(std::vector<model::Attempt> const& attempts);
  Result<Database*> writer();
  Result<Database*> opened(File& file);
  bool due(Queue const& queue) const;
  bool has_room(Queue const& queue, StreamId stream, std::size_t bytes) const;
  void tell_what_is_gone();
  std::uint64_t number_in(File const& file, std::string_view sql) const;
  Result<void> set_previous(File& file, std::uint64_t start, std::uint64_t blocks);
  std::string path_of(std::uint64_t start) const;
  Result<bool> check_wal(File const& file);

  Folder& folder_;
  io::Locked<Queue> queue_;
  std::map<std::uint64_t, File> files_;  // by the milliseconds in the name; the last one is written
};

}  // namespace millrace::store
