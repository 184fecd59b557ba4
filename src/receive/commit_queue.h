// Group commit without a timer: what arrives while a batch is on its way to the disk makes up the next.
//   Threads  put() on a loop, the commit on the worker.
//   Bounds   At most `limit_bytes` of events wait; beyond that put() answers busy.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

#include "io/shared.h"
#include "io/worker.h"
#include "receive/event_store.h"

namespace millrace::receive {

class CommitQueue {
 public:
  // Makes the events durable; one result for each, in order.
  using Commit = std::function<std::vector<Result<Kept>>(std::vector<Received> const&)>;

  // `worker` outlives the queue's calls; it must end before the queue does.
  CommitQueue(io::Worker& worker, std::size_t limit_bytes, Commit commit)
      : worker_(worker), limit_bytes_(limit_bytes), commit_(std::move(commit)) {}

  // Answers when the event is durable, with those that queued beside it. Fails with: busy (too much waits), and as `commit` does.
  io::Task<Result<Kept>> put(Received event);

 private:
  struct Waiting {
    Received event;
    io::Resolver<Result<Kept>> done;
  };
  struct State {
    std::vector<Waiting> queue;
    std::size_t bytes = 0;
    bool running = false;
  };

  void enter(Received event, io::Resolver<Result<Kept>> done);
  void run();  // on the worker

  io::Worker& worker_;
  std::size_t limit_bytes_;
  Commit commit_;
  io::Locked<State> state_;
};

}  // namespace millrace::receive
