// What producers send compressed, made whole again within bounds: gzip (RFC 1952) and Zstandard (RFC 8878).
//   Bounds   The caller says how much may come of it; not a byte more is kept. A zstd window has at most 8 MiB (RFC 9659).
//   Time     In steps: none costs more than what its bytes cost, whether they are in- or output.
//   Whole    Members (gzip) and frames (zstd) that follow each other are one text. What has no end, a wrong checksum or something
//            else behind it is damaged; zeros behind gzip are padding.
#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/expanded_memory.h"
#include "ingest/turns.h"

namespace millrace::ingest {

enum class Coding : std::uint8_t { gzip, zstd };

// How bytes begin that are compressed so. No JSON begins like it.
std::optional<Coding> coding_of(std::string_view bytes);
// What a Content-Encoding means; nullopt: the body is as it is. The error says what to send instead.
std::expected<std::optional<Coding>, std::string> coding_named(
    std::optional<std::string_view> content_encoding);

class Expander {
 public:
  enum class State : std::uint8_t { more, done, damaged, too_large };
  // `input` outlives the Expander. At most `most_bytes` come of it.
  static std::unique_ptr<Expander> make(Coding coding, std::string_view input,
                                        std::size_t most_bytes);
  virtual ~Expander() = default;
  // Appends to `out`, which the caller leaves alone between steps; looks at no more than about `bytes` of input, and makes no more.
  // After anything but `more` it is over.
  virtual State step(std::string& out, std::size_t bytes) = 0;
};

// The text of one record, of at most `most_bytes`, in turns. The error: damaged or too_large. What is referred to outlives the Task.
io::Task<std::expected<std::string, Expander::State>> expand_record(Coding coding,
                                                                    std::string_view input,
                                                                    std::size_t most_bytes,
                                                                    Turns& turns);

enum class ExpandTrouble : std::uint8_t { damaged, too_large, no_memory };
// A body, in turns, on account of `held`. What is referred to outlives the Task.
io::Task<std::expected<std::string, ExpandTrouble>> expand(Coding coding, std::string_view input,
                                                           std::size_t most_bytes,
                                                           ExpandedMemory::Hold& held,
                                                           TurnMeter* meter);

}  // namespace millrace::ingest
