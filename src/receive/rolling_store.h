// Layout rolling: events are safe in a synced spool, and become one compressed file for each date and event type
// when enough of them, or enough time, has come together.
//   Bounds  64 MiB of events wait for the spool; the keys of the last `remember` events are known, also after a restart.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "io/worker.h"
#include "receive/event_store.h"
#include "receive/roller.h"

namespace millrace::receive {

struct RollingSettings {
  RollFolders folders;
  std::uint64_t roll_bytes = 64 * 1024 * 1024;  // of spooled events
  Duration roll_time = std::chrono::minutes(5);
  std::size_t remember = 1'000'000;  // keys of events, for dropping repeats
};

struct RollingParts {  // all outlive the store
  io::Files& files;
  io::Clock& clock;
  io::Random& random;
  Log& log;
  // Called, from another thread, when a sync has failed: what is on disk is not known any more, the process has to end.
  std::function<void(Error)> broken;
};

// Finishes what an earlier run has left, on the caller's thread, then opens. `commits` and `rolls`: two threads of their own.
// Fails with: conflict (another receiver has this spool), denied, busy, io.
Result<std::unique_ptr<EventStore>> open_rolling(RollingParts parts, RollingSettings settings,
                                                 std::unique_ptr<io::Worker> commits,
                                                 std::unique_ptr<io::Worker> rolls);

}  // namespace millrace::receive
