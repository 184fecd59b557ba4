// Turns closed spool segments into `date=…/event=…/<ulid>.ndjson.zst`, each event into exactly one file.
//   Steps    1. all files of a segment are written and synced under `<root>/.rolling`; 2. its keys go to `<number>.seen`; 3. the
//            manifest `<number>.manifest` says what is renamed to what; 4. the renames; 5. segment, then manifest are removed.
//            A crash before 3 begins again; after 3, what is still under `.rolling` is renamed, and nothing is written again,
//            also when somebody has taken the finished file away meanwhile.
//   Threads  One.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "receive/durable.h"
#include "receive/spool.h"

namespace millrace::receive {

struct RollFolders {
  std::string root;   // of the store
  std::string spool;  // segments, manifests, keys
  Permissions permissions = {};
};

class Roller {
 public:
  Roller(io::Files& files, io::Clock& clock, io::Random& random, Log& log, RollFolders folders)
      : files_(files), clock_(clock), random_(random), log_(log), folders_(std::move(folders)) {}

  // Rolls every segment with a number below `end`. What fails stays for the next call. Fails with: busy, io, corrupt.
  Result<void> roll_before(std::uint64_t end);
  // Removes what a crash has left: files that no manifest names. Only when no segment waits.
  Result<void> tidy();
  // Lets go of the keys of the oldest segments, so that at most `keys` are remembered.
  Result<void> forget_beyond(std::size_t keys);

 private:
  struct Move {
    std::string from, to;  // relative to the root
  };
  Result<void> roll(std::uint64_t number);
  Result<std::vector<Move>> write_files(std::uint64_t number, SpoolText const& text);
  Result<void> finish(std::uint64_t number, std::vector<Move> const& moves);
  std::string in_spool(std::uint64_t number, std::string_view ending) const {
    return folders_.spool + '/' + numbered(number, ending);
  }

  io::Files& files_;
  io::Clock& clock_;
  io::Random& random_;
  Log& log_;
  RollFolders folders_;
};

// One zstd frame with these lines, each ended; `permissions` of the file, which is synced; `level`: zstd's.
Result<void> write_zstd_lines(io::Files& files, std::string const& path,
                              std::vector<std::string_view> const& lines, unsigned permissions,
                              int level = 3);

}  // namespace millrace::receive
