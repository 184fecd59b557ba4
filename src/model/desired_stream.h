// What is wanted of a data stream, as its record says it: the border between who changes streams (control, the only writer of these
// records) and who does what they say (delivery). The record is the truth; an owner compares its version with the one that the stream's
// own stored progress has applied, and brings its lane there. Nothing but that a record is newer needs to be told.
//   Batches  are numbers of the log. Each of them here is the head (the number after the last published batch) as it was after the request
//            for the change came, so it lies behind all that was accepted before the request and before all that is accepted after the answer.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/data_stream.h"

namespace millrace::model {

// What is selected in batches from `from_batch` on, until the next one begins.
struct FilterVersion {
  std::uint64_t version = 0;  // of the record that brought it: what has applied that version has it
  std::uint64_t from_batch = 1;
  std::vector<std::string> event_types;  // names, or {"*"}; sorted
  std::string account;                   // or "*"
  friend bool operator==(FilterVersion const&, FilterVersion const&) = default;
};

// How the stream goes on after its latest activation.
struct Resume {
  // Counts activations. A lane whose progress has an older one resumes, once, and notes this one with it.
  std::uint64_t epoch = 0;
  // What waits in batches before this one is passed over and counted as skipped; none: the lane goes on from where it stopped.
  std::optional<std::uint64_t> from_batch{};
  friend bool operator==(Resume const&, Resume const&) = default;
};

struct DesiredStream {
  DataStream stream;  // its `version` is that of the record
  // The first batch of the stream's life; 0: a record of a former version of this program, and the progress knows alone. A stream that has
  // no progress begins here.
  std::uint64_t start = 0;
  // By from_batch, the newest last: at least that one, and all that came with versions newer than the one that its owner was last known to
  // have applied. Those that the progress has stay good. Empty in a record of a former version.
  std::vector<FilterVersion> filters{};
  Resume resume{};
  // A tombstone: of the stream only id, name, account and version are left. Its owner removes all that it has of it, notes that, and the
  // record goes.
  bool gone = false;

  friend bool operator==(DesiredStream const&, DesiredStream const&) = default;
};

// What an owner tells of a record that its lane works by, when its progress is stored with it.
struct AppliedStream {
  std::uint64_t version = 0;
  std::uint64_t skipped = 0;              // events that the resumption passed over
  std::uint64_t dropped = 0;              // events that were waiting for a stream that is gone
  std::uint64_t dropped_undelivered = 0;  // and those that were kept of it
};

struct DesiredLimits {
  static constexpr std::size_t filters = 9;  // in one record
};

// As it is stored, with its secrets: seal the result before it touches a disk. A tombstone has none.
std::string to_stored(DesiredStream const& desired);
// Reads records of former versions, too. Fails with: corrupt.
Result<DesiredStream> desired_from_stored(std::string_view json);

}  // namespace millrace::model
