// CBOR (RFC 8949) as AWS's protocol uses it: pulled item by item out of hostile input with libcbor's streaming decoder, which neither
// allocates nor recurses; and written from our own JSON. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::ingest {

struct CborItem {
  enum class Kind : std::uint8_t {
    number,     // of any kind
    bytes,      // `text`
    text,       // `text`; not checked to be UTF-8
    bytes_row,  // pieces follow, until a stop
    text_row,   // the same
    array,      // `size` items follow, or (open) as many as come before a stop
    map,        // the same with pairs
    null,       // or undefined
    flag,       // true or false
    tag,        // of the item that follows
    stop,       // ends what is open
  };
  Kind kind = Kind::null;
  bool open = false;
  std::uint64_t size = 0;
  std::string_view text;
};

// Reads values off the front of a text. A claimed size costs nothing: items are read as they come, and the text ends some time.
//   Lifetime  Views are of the text, or of what the reader has put together until forget().
class CborReader {
 public:
  static constexpr std::size_t depth = 64;  // of what is skipped
  static constexpr std::size_t tags = 8;    // in front of one item
  static constexpr std::size_t kept = 64;   // strings put together of pieces, until forget()

  explicit CborReader(std::string_view text) : rest_(text) {}

  // The next value's beginning, its tags passed over. nullopt: malformed, or the text ends.
  std::optional<CborItem> next();
  // The whole of a string whose beginning was `item`. nullopt: malformed, or one too many in pieces.
  std::optional<std::string_view> string(CborItem const& item);
  // Passes over the rest of a value whose beginning was `item`. False: malformed, or nested too deep.
  bool skip(CborItem const& item);
  bool at_end() const { return rest_.empty(); }
  void forget() { kept_.clear(); }

 private:
  std::optional<CborItem> read();

  std::string_view rest_;
  std::deque<std::string> kept_;
};

// Goes through the items of an array, or the pairs of a map, whose beginning was `item`: `while (auto const item = row.next(reader))`.
class CborRow {
 public:
  explicit CborRow(CborItem const& item) : open_(item.open), left_(item.size) {}
  // The beginning of the next item (of a pair: its key); nullopt at the end, and where the text is malformed.
  std::optional<CborItem> next(CborReader& reader);
  bool is_malformed() const { return malformed_; }

 private:
  bool open_, malformed_ = false;
  std::uint64_t left_;
};

// Appends the beginning of an item. `size`: of an array its items, of a map its pairs, of a string its bytes.
void append_cbor_map(std::string& out, std::size_t size);
void append_cbor_array(std::string& out, std::size_t size);
void append_cbor_text(std::string& out, std::string_view text);
void append_cbor_number(std::string& out, std::uint64_t number);

// The same value in CBOR. `json` is our own: valid, small, its numbers whole and not negative.
std::string cbor_of_json(std::string_view json);

}  // namespace millrace::ingest
