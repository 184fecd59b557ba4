// What comes in that the catalogue does not know: events, and fields of known events. Whoever runs Canvas wants to hear of them, as they
// come without notice.
//   Bounds   1,000 entries. When it is full, the account that has most of them gives up its oldest, which is counted with all others of
//            the kind: one account's made-up names leave another's entries alone. Names are cut at 255 bytes.
//   Memory   Only; it begins anew with the process.
//   Threads  A value: one thread, or behind an io::Locked. The catalogue outlives it and its copies.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/shares.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/catalog.h"
#include "model/event_block.h"

namespace millrace::model {

struct DriftEntry {
  std::string event_type;
  std::string
      field;  // "body.x" or "metadata.x"; empty: the catalogue does not know the event itself
  std::string account;  // of the example
  EventId example;
  std::uint64_t count = 0;  // of an event: all that came; of a field: of those that were looked at
  WallTime first_seen{}, last_seen{};
};

class Drift {
 public:
  static constexpr std::size_t most_entries = 1000;
  static constexpr std::size_t most_fields = 500;  // looked at in one event

  explicit Drift(Catalog const& catalog);

  // `events` of one kind were accepted; `example` is one of them.
  void saw_events(Kind const& kind, std::uint64_t events, EventId example, WallTime at);
  // Looks at the fields of one event; of types that are unknown it looks at none.
  void saw_fields(Kind const& kind, EventView const& event, EventId id, WallTime at);

  std::vector<DriftEntry> entries() const;                // by event type, then field
  std::uint64_t uncounted() const { return uncounted_; }  // of entries that were given up
  std::uint64_t looked_at() const { return looked_at_; }  // events whose fields were looked at

 private:
  struct Names {
    std::vector<std::string_view> sorted;
    bool fields_are_known = false;
    bool has(std::string_view name) const;
  };
  void give_up_one();
  void note(Kind const& kind, std::string field, std::uint64_t count, EventId example, WallTime at);

  Names metadata_;
  std::map<std::string, Names, std::less<>> bodies_;  // by event type
  using Key = std::pair<std::string, std::string>;    // event type, field
  std::map<Key, DriftEntry> entries_;
  Shares shares_;                                                   // entries, by account
  std::map<std::string, std::deque<Key>, std::less<>> of_account_;  // the oldest first
  std::uint64_t uncounted_ = 0, looked_at_ = 0;
};

// The members of metadata that Canvas is known to send, sorted.
std::span<std::string_view const> known_metadata();

}  // namespace millrace::model
