// What each data stream has done: cursor, retries, undelivered events, the ledger. Delivery writes it, and it alone.
//   Shards   Streams are divided into shards (Leases::shards() of them); who holds the lease of a shard loads and saves its streams.
//   Epoch    That of the lease. What comes with an older one is refused: another owner goes on from what it found.
//   Threads  Any loop may call; a Task resumes on the loop that called.
//   Crash    What save() answered is there after the restart; what it did not answer is there whole or not at all.
//   Fail     Every call may fail with io or corrupt.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "base/uuid.h"
#include "io/task.h"
#include "model/attempt.h"
#include "store/event_log.h"
#include "store/leases.h"
#include "store/page.h"

namespace millrace::store {

// One event on its way in one run: what slots, retries and undelivered events are known by. The same event may be under way in several
// runs, and none of them meets another's rows.
struct Work {
  static constexpr std::uint32_t live = 0;
  std::uint32_t run =
      live;  // a redelivery and a replay have a number of their own, of the stream's
  Position at;
  friend auto operator<=>(Work const&, Work const&) = default;
};

struct Retry {  // an event whose run goes on
  Work work;
  EventId event;
  std::uint8_t tried =
      1;  // tries of this run that count, 0 to 3; 0: under way when the cursor passed, or failed by our own trouble
  model::Run run_kind = model::Run::live;
  model::FailureClass failure = model::FailureClass::none;  // of the latest try
  std::uint16_t status = 0;
  WallTime due{};
  WallTime first_tried{};
  std::string kid;           // of the key that signed it; empty: unsigned
  std::string payload_hash;  // 8 bytes of SHA-256 of what was sent
};

struct Undelivered {  // an event whose run ended without success; kept with its payload
  Work work;
  EventId event;
  model::Kind kind;
  std::string payload;  // Canvas form
  std::uint32_t metadata_bytes = 0;
  WallTime accepted_at{};
  WallTime failed_at{};
  model::FailureClass failure = model::FailureClass::none;
  std::uint16_t status = 0;
  std::string reason;
};

struct FilterVersion {  // DESIGN 5: an edit takes effect at the head of the log
  std::uint64_t from_batch = 1;
  std::vector<std::string> event_types;  // or {"*"}
  std::string account;
  friend bool operator==(FilterVersion const&, FilterVersion const&) = default;
};

struct Counters {             // since the stream was made
  std::uint64_t matched = 0;  // selected in batches before StreamProgress::counted_to
  std::uint64_t delivered = 0;
  std::uint64_t undelivered = 0;  // runs that ended without success
  // Passed over: by activation from now or a time, or without a form in the format of the stream.
  std::uint64_t skipped = 0;
  std::uint64_t lost = 0;  // gone with a segment before they were delivered
  friend bool operator==(Counters const&, Counters const&) = default;
};

// How far a stream's record is carried out (model/desired_stream.h); 0: before there were any such numbers.
struct Applied {
  std::uint64_t version = 0;  // of the record
  std::uint64_t epoch = 0;    // of its latest activation that was carried out
  friend bool operator==(Applied const&, Applied const&) = default;
};

struct StreamProgress {
  Position cursor;  // everything selected before it is settled or has a Retry
  std::vector<Position>
      settled_above;             // settled beyond the cursor; never more than what was in flight
  std::uint64_t counted_to = 1;  // batches before this one are in counters.matched
  Counters counters;
  std::vector<FilterVersion>
      filters;  // by from_batch; the oldest that the cursor still needs comes first
  std::optional<WallTime> lost_from, lost_to;          // acceptance times of what was lost
  std::optional<WallTime> last_success, last_failure;  // of a try that was not a test
  Applied applied;
};

struct LedgerMinute {       // deltas of one minute of one stream (DESIGN 7, Accounting)
  std::int64_t minute = 0;  // Unix time / 60
  std::uint32_t delivered = 0, attempts_failed = 0;
  std::uint32_t undelivered_timeout = 0, undelivered_other = 0;
  friend bool operator==(LedgerMinute const&, LedgerMinute const&) = default;
};

struct StreamDelta {  // what changed for one stream since the last checkpoint
  StreamId stream;
  StreamProgress progress;     // whole, as it is now
  std::vector<Retry> retries;  // put or replaced, by `work`
  std::vector<Work> retries_ended;
  std::vector<Undelivered> undelivered;  // added
  std::vector<Work> undelivered_ended;
  std::vector<LedgerMinute> ledger;  // added to what is there
  bool removed = false;              // the stream is deleted: all of its state goes
};

struct StreamState {
  StreamId stream;
  StreamProgress progress;
  std::vector<Retry> retries;
  std::uint64_t undelivered = 0;  // how many are kept
};

enum class Payloads : std::uint8_t { left_out, with };

enum class Saved : std::uint8_t {
  stored,
  fenced,  // what is stored of this stream is of a newer epoch; nothing of this delta was stored
};

class Progress {
 public:
  virtual ~Progress() = default;
  // Of all streams of the shard that have any, in the order of their ids.
  virtual io::Task<Result<std::vector<StreamState>>> load(ShardId shard) = 0;
  // All of it in one commit. Answers a verdict for each delta, in their order. A stream has one delta in a call at most.
  // Fails with: fenced (the shard has a newer owner; nothing is stored, and nothing will be), busy (disk full).
  virtual io::Task<Result<std::vector<Saved>>> save(ShardId shard, std::uint64_t epoch,
                                                    std::vector<StreamDelta> deltas) = 0;
  // Removes all rows of streams that are not among `known`, which a crash or a refused call has left behind. Answers how many. Before
  // load(); a failure costs only disk space.
  virtual io::Task<Result<std::uint64_t>> keep(std::vector<StreamId> known) = 0;
  // By the time of the failure, newest first. Where payloads are left out, they are not read from the disk either, and empty in the
  // answer. Fails with: invalid (`after` is no cursor of this list).
  virtual io::Task<Result<Page<Undelivered>>> undelivered(StreamId stream, std::string after,
                                                          PageLimits limits, Payloads payloads) = 0;
  virtual io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) = 0;  // that are kept
  // Minutes from `from_minute` up to, without, `to_minute` (Unix time / 60), by minute; those without anything are left out.
  virtual io::Task<Result<std::vector<LedgerMinute>>> ledger(StreamId stream,
                                                             std::int64_t from_minute,
                                                             std::int64_t to_minute) = 0;
};

}  // namespace millrace::store
