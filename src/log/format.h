// The bytes of a log segment. The one file that knows them; README.md has the table, format_test.cc the golden bytes.
//   Trust   Nothing is believed by its lengths alone: each part has a checksum that begins with the segment's salt, and says its own
//           place, so that a payload cannot imitate it and a copy elsewhere is refused.
//   Threads Values and pure functions: any.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"

namespace millrace::log {

inline constexpr std::uint64_t header_bytes = 4'096;  // of the file; the first frame begins there
inline constexpr std::uint64_t frame_step = 64;       // each frame begins at a multiple of it
inline constexpr std::size_t prefix_bytes = 128;      // of a frame
inline constexpr std::size_t trailer_bytes = 64;      // of a sealed segment: its last bytes
inline constexpr std::uint32_t most_section_bytes = 80U << 20;  // a head or a body

constexpr std::uint64_t round_up(std::uint64_t place) {
  return (place + frame_step - 1) / frame_step * frame_step;
}

// 16 random bytes, made with the segment and shown nowhere.
struct Salt {
  std::array<char, 16> bytes{};

  std::string_view text() const { return {bytes.data(), bytes.size()}; }
  static Salt of(std::string_view text);  // of 16 bytes
  std::uint32_t checksum(std::string_view bytes) const;
  friend bool operator==(Salt const&, Salt const&) = default;
};

struct FileHeader {
  Salt salt;
  std::uint64_t first = 1;       // number of its first batch
  std::int64_t began_ms = 0;     // Unix time, as it was trusted then; 0: it was not
  std::uint64_t never_from = 0;  // numbers from here to `first` never were; 0: there is no such gap
  std::uint64_t commit = 0;      // the last one before it
  struct Previous {              // the segment before, as its end was known
    std::uint64_t first = 0;     // 0: there is none, or it has another form
    std::uint64_t end = 0;       // bytes
    Salt salt;
    friend bool operator==(Previous const&, Previous const&) = default;
  } previous;
  friend bool operator==(FileHeader const&, FileHeader const&) = default;
};

std::string encode(FileHeader const& header);  // header_bytes, with two copies
// Fails with: corrupt (neither copy is right), invalid (made by a newer version).
Result<FileHeader> decode_header(std::string_view block);

enum class FrameKind : std::uint8_t {
  batch = 1,   // head and body are the caller's
  keys = 2,    // what the caller keeps beside the batches of a commit
  footer = 3,  // the segment is sealed: head is its Summary, body its index
};

struct Prefix {
  FrameKind kind = FrameKind::batch;
  std::uint16_t index = 0;   // which of its commit's frames it is
  std::uint16_t frames = 1;  // of its commit
  std::uint32_t head_bytes = 0, body_bytes = 0;
  std::uint32_t head_checksum = 0, body_checksum = 0;
  std::uint64_t place = 0;       // in the file
  std::uint64_t number = 0;      // of the batch; of another frame: of the batch that comes next
  std::uint64_t commit = 0;      // goes up by one
  std::uint64_t change = 0;      // the newest change of records that was stored
  std::uint64_t checkpoint = 0;  // the last commit of the state that was stored
  std::int64_t accepted_ms = 0;  // Unix time
  Uuid first_id;
  std::uint32_t events = 0;

  std::uint64_t head_place() const { return place + prefix_bytes; }
  std::uint64_t body_place() const { return head_place() + head_bytes; }
  std::uint64_t end() const { return round_up(body_place() + body_bytes); }  // the next frame's
  friend bool operator==(Prefix const&, Prefix const&) = default;
};

std::string encode(Prefix const& prefix, Salt const& salt);
// `bytes`: prefix_bytes of the file at `place`. Nullopt: no frame of this segment begins there.
std::optional<Prefix> decode_prefix(std::string_view bytes, Salt const& salt, std::uint64_t place);
// Whether a frame may begin with these bytes, at little cost.
bool may_begin_frame(std::string_view bytes);

// What is known of a segment without reading it.
struct Summary {
  std::uint64_t end = header_bytes;  // behind the last frame that counts
  std::uint64_t next = 1;            // the number behind its last batch
  std::uint64_t commit = 0;          // the last one
  std::uint64_t batches = 0, events = 0;
  std::int64_t first_ms = 0, last_ms = 0;  // accepted; only when there are batches
  Uuid first_id, last_id;
  std::uint64_t change = 0, checkpoint = 0;  // as its last frame has them
  std::uint64_t marks = 0, keys = 0;         // entries of the index
  friend bool operator==(Summary const&, Summary const&) = default;
};

struct Mark {  // a batch that stands in the index
  std::uint64_t number = 0;
  std::int64_t accepted_ms = 0;
  std::uint64_t place = 0;
  friend bool operator==(Mark const&, Mark const&) = default;
};

struct Index {
  std::vector<Mark> marks;          // one each 64 KiB or so; by number
  std::vector<std::uint64_t> keys;  // places of frames of this kind
  friend bool operator==(Index const&, Index const&) = default;
};

std::string encode(Summary const& summary);
Result<Summary> decode_summary(std::string_view bytes);  // Fails with: corrupt
std::string encode(Index const& index);
Result<Index> decode_index(std::string_view bytes, Summary const& summary);  // Fails with: corrupt

std::string encode_trailer(std::uint64_t footer, std::uint64_t place, Salt const& salt);
// The place of the footer's frame; nullopt: the segment is not sealed, or damaged there.
std::optional<std::uint64_t> decode_trailer(std::string_view bytes, std::uint64_t place,
                                            Salt const& salt);

}  // namespace millrace::log
