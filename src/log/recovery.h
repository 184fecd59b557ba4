// What a segment's file still holds, found by walking over it. Reads only; blocks; any thread.
//   Bound   Memory: one window of the file, the index, the frames of one commit. Time: the file is read once at most.
#pragma once
#include <optional>
#include <vector>

#include "io/files.h"
#include "log/contents.h"

namespace millrace::log {

// Fails with: corrupt (neither copy is right), invalid (made by a newer version), io.
Result<FileHeader> read_header(io::File& file);

// What somebody else knows of the end: the state's checkpoints, the next segment's header. 0: nothing.
struct KnownEnd {
  std::uint64_t next = 0;  // batches before it were stored
  std::uint64_t end = 0;   // bytes of the file that were stored
};

// A place that is not what was written, though it was stored. It is left out, what follows is read.
struct Damage {
  std::uint64_t place = 0, bytes = 0;
  std::uint64_t from = 0, to = 0;       // batches that are gone: [from, to); equal: none
  std::optional<std::uint64_t> events;  // in them, where that can still be read
  friend bool operator==(Damage const&, Damage const&) = default;
};

// A commit at the end that was under way when the process ended: nobody was answered that it is stored.
struct Cut {
  std::uint64_t place = 0, bytes = 0;
  std::uint64_t commit = 0;
  std::uint64_t batches = 0, events = 0;  // in it, as far as that can be read
  friend bool operator==(Cut const&, Cut const&) = default;
};

struct Recovered {
  Contents contents;
  std::vector<Damage> damage;     // by place; no more than 10,000 of them
  std::uint64_t damage_more = 0;  // places beyond those
  std::optional<Cut> cut;         // what stands behind contents.summary.end
  bool is_sealed = false;         // it has a footer
  bool header_is_lost = false;    // and was replaced by what others know
  bool ends_early = false;        // a known end lies beyond what is there
  std::uint64_t file_bytes = 0;
};

// `first`: as the file's name says. `salt`: as others know it; serves where the file's own header is lost.
// Fails with: corrupt (header and salt are lost), invalid (made by a newer version), io.
Result<Recovered> recover(io::File& file, std::uint64_t first, KnownEnd known,
                          std::optional<Salt> salt = std::nullopt);

// The same of a sealed segment by its header and footer, without reading between them. Nullopt: it is not sealed, or damaged there.
Result<std::optional<Contents>> open_sealed(io::File& file);

}  // namespace millrace::log
