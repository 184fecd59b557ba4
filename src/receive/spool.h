// Where rolling events are safe before their files exist: segments, each a row of lines, synced commit by commit.
//   Form    `<number>.spool`; a line is `<crc32c of the rest> <key> <date> <name> <json>` and a line end; README.md shows it.
//           A torn last line is what no sender was answered for; it is left out.
//   Threads One.
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"
#include "receive/event_store.h"

namespace millrace::receive {

// The first half of the SHA-256 of Received::key.
struct RepeatHash {
  std::array<std::uint64_t, 2> words{};
  static RepeatHash of(std::string_view key);
  static RepeatHash from_bytes(std::string_view bytes);  // 16 of them
  std::string bytes() const;
  friend auto operator<=>(RepeatHash const&, RepeatHash const&) = default;
};

struct SpoolLine {  // borrows from the segment's text
  RepeatHash key;
  std::string_view date;  // 2026-11-21
  std::string_view name;  // a path part already
  std::string_view json;
};

struct SpoolText {
  std::vector<SpoolLine> lines;
  std::size_t damaged = 0;  // lines that are not what was written; a torn end does not count
};

std::string spool_line(RepeatHash key, std::string_view date, std::string_view name,
                       std::string_view json);
// Reads as many lines as are whole.
SpoolText read_spool(std::string_view text);

// "000000000000002a.spool"
std::string numbered(std::uint64_t number, std::string_view ending);
// The numbers of the files with this ending, in order.
Result<std::vector<std::uint64_t>> numbers_with(io::Files& files, std::string const& folder,
                                                std::string_view ending);

// The segment that is written to.
class SpoolWriter {
 public:
  // Makes the file; durable when this returns. Fails with: busy, io.
  static Result<SpoolWriter> create(io::Files& files, std::string const& folder,
                                    std::uint64_t number);
  // Writes and syncs `lines`. On `busy` the segment is as before. After `io` it must not be written again.
  Result<void> append(std::string_view lines);
  std::uint64_t number() const { return number_; }
  std::uint64_t size() const { return size_; }

 private:
  std::unique_ptr<io::File> file_;
  std::uint64_t number_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace millrace::receive

template <>
struct std::hash<millrace::receive::RepeatHash> {
  std::size_t operator()(millrace::receive::RepeatHash const& hash) const noexcept {
    return hash.words[0];
  }
};
