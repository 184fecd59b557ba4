// The event log: what was accepted, in batches, in the order of their commits. Lanes read it; the border of events appends to it.
//   Threads  Any loop may call; a Task resumes on the loop that called. Disk work happens on the store's own threads.
//   Crash    What append() answered is there after the restart, whole; what it did not answer is there whole or not at all.
//   Fail     Every call may fail with io or corrupt. A failed sync ends the process: no call answers it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "base/uuid.h"
#include "io/task.h"
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
  // The newest change of records when the batch was committed (Records): what a change up to it wants holds for these events, what a
  // later one wants does not. 0: not known.
  std::uint64_t changes = 0;
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

class EventLog {
 public:
  virtual ~EventLog() = default;
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
  // Unlinks segments that are too old or too many. Answers the range that is left. `now`: Store::time().earliest().
  virtual io::Task<Result<LogRange>> retain(WallTime now) = 0;
};

}  // namespace millrace::store
