// The record of attempts: what was sent, and what came of it.
//   Threads  Any loop may call; a Task resumes on the loop that called.
//   Crash    An attempt is in memory for up to a second, then on disk: a crash loses the newest, never one that was shown as stored.
//   Fail     find() may fail with io or corrupt.
#pragma once
#include <cstddef>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "base/uuid.h"
#include "io/task.h"
#include "model/attempt.h"
#include "store/page.h"

namespace millrace::store {

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

class Attempts {
 public:
  virtual ~Attempts() = default;
  // Never waits; when its queue is full the attempt is dropped and counted. Any thread.
  virtual void add(model::Attempt attempt) = 0;
  // Newest first. Fails with: invalid (`after` is no cursor of this list).
  virtual io::Task<Result<Page<model::Attempt>>> find(AttemptQuery query) = 0;
};

}  // namespace millrace::store
