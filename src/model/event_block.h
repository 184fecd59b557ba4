// Events on their way into and out of the log: many in one buffer, each as the Canvas form that subscribers read.
//   Shape    An event's payload is `{"metadata":M,"body":B}` with M and B byte for byte as the producer sent them (mission: the
//            wrapper is renamed, the values are not touched).
//   Threads  A value: share it only as const.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace millrace::model {

// What routing looks at. Few distinct ones exist, so a block keeps a table of them.
struct Kind {
  std::string account;  // root account uuid, 1 to 255 bytes
  std::string type;     // event name, 1 to 255 bytes
  friend auto operator<=>(Kind const&, Kind const&) = default;
};

struct KindCount {
  Kind kind;
  std::uint32_t events = 0;
};

struct EventView {           // borrows from its block
  std::uint32_t kind = 0;    // index into EventBlock::kinds()
  std::string_view payload;  // {"metadata":M,"body":B}
  std::uint32_t metadata_bytes = 0;

  std::string_view metadata() const;  // M
  std::string_view body() const;      // B
};

struct Limits {
  static constexpr std::size_t event_bytes = 1024 * 1024;  // payload of one event
  static constexpr std::size_t name_bytes = 255;           // an account or an event name
};

// The distinct kinds of some events, in order of first use. Whoever sends events chooses how many there are: a look-up among n costs
// about log n comparisons once there are more than a few.
class KindTable {
 public:
  KindTable() = default;
  explicit KindTable(std::vector<KindCount> kinds) : kinds_(std::move(kinds)) {}

  std::uint32_t count(std::string_view account, std::string_view type);  // one event more; where
  std::vector<KindCount> const& kinds() const { return kinds_; }
  std::uint64_t comparisons() const { return comparisons_; }  // made so far: what it has cost

 private:
  using Name = std::pair<std::string, std::string>;  // account, type
  struct Wanted {
    std::string_view account, type;
    std::uint64_t& comparisons;
  };
  struct Less {
    using is_transparent = void;
    bool operator()(Name const& a, Name const& b) const { return a < b; }
    bool operator()(Name const& a, Wanted const& b) const {
      ++b.comparisons;
      return std::pair<std::string_view, std::string_view>(a) < std::pair(b.account, b.type);
    }
  };
  std::uint32_t place_of(std::string_view account, std::string_view type);
  std::uint32_t add(std::string_view account, std::string_view type);

  std::vector<KindCount> kinds_;
  std::map<Name, std::uint32_t, Less> places_;  // of all kinds; empty while there are few
  std::uint64_t comparisons_ = 0;
};

class EventBlock {
 public:
  // Copies one event in. `metadata` and `body` are valid JSON objects, checked at the border (ingest); `account` and `type` are
  // within Limits.
  void add(std::string_view account, std::string_view type, std::string_view metadata,
           std::string_view body);
  // Copies an event from another block (or from its stored form).
  void add(Kind const& kind, std::string_view payload, std::uint32_t metadata_bytes);

  // Room for so much more: large blocks that are built event by event need not move as they grow.
  void reserve(std::size_t payload_bytes, std::size_t events);

  std::size_t size() const { return events_.size(); }
  bool empty() const { return events_.empty(); }
  std::size_t payload_bytes() const { return bytes_.size(); }
  EventView operator[](std::size_t i) const;
  // In order of first use, with how many events have each.
  std::vector<KindCount> const& kinds() const { return kinds_.kinds(); }

  // The stored parts, for batch_format.h: one buffer with all payloads end to end, and a row an event.
  struct Row {
    std::uint32_t kind;
    std::uint32_t end;  // where its payload ends in bytes()
    std::uint32_t metadata_bytes;
  };
  std::string const& bytes() const { return bytes_; }
  std::vector<Row> const& rows() const { return events_; }
  // Rebuilds a block from its parts. Fails with: corrupt (rows out of order or out of range, counts that do not match).
  static Result<EventBlock> from_parts(std::string bytes, std::vector<Row> rows,
                                       std::vector<KindCount> kinds);

 private:
  std::string bytes_;
  std::vector<Row> events_;
  KindTable kinds_;
};

}  // namespace millrace::model
