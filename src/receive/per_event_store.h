// Layout per-event: one file an event, `YYYY/MM/DD/HH/<event_id>.json`; of a replay, `<event_id>~replay-<replay_id>.json`. That the file
// exists is the proof that the event is stored, so that nothing else has to be remembered.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "io/clock.h"
#include "io/files.h"
#include "receive/commit_queue.h"
#include "receive/durable.h"

namespace millrace::receive {

// The blocking part: what one commit does. For one thread.
class PerEventWriter {
 public:
  PerEventWriter(io::Files& files, std::string root, Permissions permissions)
      : files_(files), root_(std::move(root)), permissions_(permissions) {}
  // One result for each event, in order: durable, or known already. Fails with: busy (no space), io.
  std::vector<Result<Kept>> commit(std::vector<Received> const& events);

 private:
  Result<bool> there(Received const& event, std::string const& path);

  io::Files& files_;
  std::string root_;
  Permissions permissions_;
};

// `root` is made when absent. `files` outlives the store. Fails with: denied, io.
Result<std::unique_ptr<EventStore>> open_per_event(io::Files& files,
                                                   std::unique_ptr<io::Worker> worker,
                                                   std::string root, Permissions permissions = {});

}  // namespace millrace::receive
