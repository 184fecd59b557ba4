// All that must be remembered, behind one interface: the event log, the state of streams, records of the control plane, attempts.
//   Forms    open_folder() keeps it in SQLite files in a folder (store/README.md); testing/ has a memory form; PostgreSQL is later.
//   Threads  Any loop may call; a Task resumes on the loop that called. Disk work happens on the store's own threads.
//   Crash    What an append(), change() or checkpoint() answered is there after the restart, whole.
//   Fail     Every call may fail with io or corrupt. A failed sync ends the process (DESIGN 4): no call answers it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "base/uuid.h"
#include "io/task.h"
#include "io/trusted_time.h"
#include "model/attempt.h"
#include "model/event_block.h"

namespace millrace::store {

struct Position {           // where an event stands; ordered
  std::uint64_t batch = 1;  // dense: the next batch has batch + 1; the first is 1
  std::uint32_t index = 0;
  friend auto operator<=>(Position const&, Position const&) = default;
};

// Immutable and shared. An event's id is the batch's first id plus its index (the low 16 bits of first_id are zero).
struct RecordBatch {
  std::uint64_t number = 0;
  WallTime accepted_at{};  // whole milliseconds: the time of acceptance of each of its events
  Uuid first_id;
  model::EventBlock events;

  EventId id_of(std::uint32_t index) const { return {{first_id.high, first_id.low + index}}; }
};
using SharedBatch = std::shared_ptr<RecordBatch const>;

struct BatchSummary {  // what a batch's header says without reading its events
  std::uint64_t number;
  WallTime accepted_at;
  std::vector<model::KindCount> kinds;
};

struct LogRange {
  std::uint64_t oldest = 1;  // first batch that is kept
  std::uint64_t next = 1;    // number that the next batch will get: the head
  std::uint64_t bytes = 0;   // on disk
};

// Marks a call so that its repeat is stored once: the key (who and what: at most 512 bytes) is kept with the batch's commit.
struct RepeatKey {
  std::string key;
  std::string body_hash;  // 32 bytes: a repeat with another body is a conflict
  std::string answer;     // at most 64 KiB: what a repeat is answered
  Duration keep = std::chrono::hours(24);
};

struct Appended {
  Position first;
  bool repeated = false;  // nothing was stored: `answer` is that of the first call
  std::string answer;
};

struct ReadLimits {
  std::size_t batches = 64;
  std::size_t bytes = 4 * 1024 * 1024;  // of payload; at least one batch comes all the same
};

// ---- the state of one data stream ------------------------------------------------------------------------------------------

struct Retry {  // an event whose run goes on
  Position at;
  EventId event;
  std::uint8_t tried =
      1;  // tries of this run that count, 0 to 3; 0: under way when the cursor passed, or failed by our own trouble
  model::Run run = model::Run::live;
  model::FailureClass failure = model::FailureClass::none;  // of the latest try
  std::uint16_t status = 0;
  WallTime due{};
  WallTime first_tried{};
  std::string kid;           // of the key that signed it; empty: unsigned
  std::string payload_hash;  // 8 bytes of SHA-256 of what was sent
};

struct Undelivered {  // an event whose run ended without success; kept with its payload
  Position at;
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
  std::vector<Retry> retries;  // put or replaced, by `at`
  std::vector<Position> retries_ended;
  std::vector<Undelivered> undelivered;  // added
  std::vector<Position> undelivered_ended;
  std::vector<LedgerMinute> ledger;  // added to what is there
  bool removed = false;              // the stream is deleted: all of its state goes
};

struct StreamState {
  StreamId stream;
  StreamProgress progress;
  std::vector<Retry> retries;
  std::uint64_t undelivered = 0;  // how many are kept
};

// ---- records of the control plane -------------------------------------------------------------------------------------------

struct
    Record {  // collections: "streams", "tokens", "access_keys", "signing_keys", "accounts", "audit", "settings", ...
  std::string collection;
  std::string id;
  std::uint64_t version = 0;  // 1 when made; each change adds one
  std::string value;          // opaque to the store
};

struct RecordChange {
  std::string collection;
  std::string id;
  std::optional<std::string> value;               // nullopt: remove
  std::optional<std::uint64_t> expected_version;  // nullopt: any; 0: must not exist
};

struct DeadLetter {  // what could not become an event (DESIGN 6)
  std::string id;    // UUID v7; made by the store when empty
  WallTime at{};
  std::string source;   // "kinesis", "json"
  std::string account;  // of the credential, or empty
  std::string reason;
  std::string payload;  // cut at 64 KiB
  std::string owner{};  // whose share of the room it takes: an account, or a credential of several
};

struct DroppedLetters {  // let go for lack of room, since the store was made
  std::string account;   // of the letters; may be empty
  std::uint64_t count = 0;
};

struct AttemptQuery {
  StreamId stream;
  std::optional<model::AttemptOutcome> outcome;  // delivered, or failed (which includes waiting)
  std::optional<std::string> event_type;
  std::optional<EventId> event;
  std::optional<WallTime> since;
  std::string after;                     // cursor of the page before; empty: the newest
  std::size_t limit = 100;               // 1 to 1,000
  std::size_t most_bytes = 1024 * 1024;  // as in PageLimits
  // Blocks that are read for one page. One that ends here may have no items, and its cursor goes on behind what was read.
  std::size_t most_blocks = 32;
  bool any_stream = false;  // `stream` is not looked at
};

struct PageLimits {
  std::size_t items = 100;  // 1 to 1,000
  // Of the texts in them. The page ends before the item that would exceed it; its first item comes whatever its size.
  std::size_t bytes = 1024 * 1024;
};

enum class Payloads : std::uint8_t { left_out, with };

template <class T>
struct Page {  // newest first
  std::vector<T> items;
  std::string next;  // cursor; empty: the end
};

class Store {
 public:
  virtual ~Store() = default;
  // By which what is old is removed and what has an end ends; it begins with the last time that was stored. Any thread.
  virtual io::TrustedTime& time() = 0;

  // ---- the event log
  // Stores the events and answers once they are on disk. Calls made meanwhile share one commit, in the order of the calls.
  // A cancelled append may still be stored.
  // Fails with: busy (queue full, or below the free-space watermark), conflict (repeat key with another body).
  virtual io::Task<Result<Appended>> append(model::EventBlock events,
                                            std::optional<RepeatKey> repeat) = 0;
  // Whole batches from `first` on, oldest first; empty when nothing is newer. A damaged batch is left out of the answer, logged and
  // counted: what comes next is there. Fails with: missing (older than what is kept).
  virtual io::Task<Result<std::vector<SharedBatch>>> read(std::uint64_t first,
                                                          ReadLimits limits) = 0;
  // Headers only, from `first` on.
  virtual io::Task<Result<std::vector<BatchSummary>>> summaries(std::uint64_t first,
                                                                std::size_t limit) = 0;
  // The first batch accepted at or after `time`; the head when there is none.
  virtual io::Task<Result<std::uint64_t>> batch_at(WallTime time) = 0;
  // Fails with: missing.
  virtual io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> find(EventId event) = 0;
  virtual LogRange range() const = 0;  // any thread; never blocks
  // Why append() refuses every event now, for people; empty: it does not. While writing fails, asking has it tried again, once a
  // second at most. Any thread; may look at the disk.
  virtual std::string refuses() = 0;
  // Calls `batch` on `loop` for each batch committed from now on, in order. Ends with the returned handle.
  virtual std::shared_ptr<void> follow(io::Executor loop,
                                       std::function<void(SharedBatch)> batch) = 0;
  // The headers of what the next retain() will unlink, so that its loss can be counted first. That retain() unlinks no more than this.
  virtual io::Task<Result<std::vector<BatchSummary>>> doomed(WallTime now) = 0;
  // Unlinks segments that are too old or too many (DESIGN 4, Retention), and removes what else is too old: undelivered events, minutes
  // of the ledger, attempts, lines of the audit log. Answers the range that is left. `now`: time().earliest().
  virtual io::Task<Result<LogRange>> retain(WallTime now) = 0;

  // ---- the state of streams
  virtual io::Task<Result<std::vector<StreamState>>> load_streams() = 0;
  // Removes all rows of streams that are not among `known`, which a crash or a refused call has left behind. Answers how many. Before
  // load_streams(); a failure costs only disk space.
  virtual io::Task<Result<std::uint64_t>> keep_streams(std::vector<StreamId> known) = 0;
  // All of it in one commit.
  virtual io::Task<Result<void>> checkpoint(std::vector<StreamDelta> deltas) = 0;
  // Where payloads are left out, they are not read from the disk either, and empty in the answer.
  virtual io::Task<Result<Page<Undelivered>>> undelivered(StreamId stream, std::string after,
                                                          PageLimits limits, Payloads payloads) = 0;
  virtual io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) = 0;  // that are kept
  virtual io::Task<Result<std::vector<LedgerMinute>>> ledger(StreamId stream,
                                                             std::int64_t from_minute,
                                                             std::int64_t to_minute) = 0;

  // ---- records
  virtual io::Task<Result<void>> change(
      std::vector<RecordChange> changes) = 0;  // all or none. Fails with: conflict, missing
  virtual io::Task<Result<std::vector<Record>>> records(std::string collection) = 0;  // by id
  virtual io::Task<Result<Page<Record>>> newest_records(
      std::string collection, std::string after, PageLimits limits) = 0;  // by id, last first
  // Keeps 10,000, at most 64 MiB. What is more is let go: the oldest of the owner who has most bytes. Each such one is counted.
  virtual io::Task<Result<void>> add_dead_letters(std::vector<DeadLetter> letters) = 0;
  virtual io::Task<Result<std::vector<DroppedLetters>>> dropped_letters() = 0;  // by account
  virtual io::Task<Result<Page<DeadLetter>>> dead_letters(std::string after, PageLimits limits) = 0;
  virtual io::Task<Result<DeadLetter>> dead_letter(std::string id) = 0;  // Fails with: missing

  // ---- attempts
  // Kept in memory for up to a second, then on disk: a crash loses the newest, never one that was shown as stored. Never waits;
  // when its queue is full the attempt is dropped and counted.
  virtual void add_attempt(model::Attempt attempt) = 0;
  virtual io::Task<Result<Page<model::Attempt>>> attempts(AttemptQuery query) = 0;

  // Writes what is in memory and ends the store's threads. Nothing may be called after it.
  virtual io::Task<Result<void>> close() = 0;
};

}  // namespace millrace::store
