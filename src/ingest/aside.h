// Work on a body as a whole (its hash, its outer JSON) cannot be cut into turns: where it would hold its loop too long, a thread of its own
// does it.
//   Threads  run() on any loop; the job on a worker's thread, or at once.
#pragma once
#include <atomic>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "ingest/turns.h"
#include "io/worker.h"

namespace millrace::ingest {

class Aside {
 public:
  // What is done at once takes about 2 ms at most.
  static constexpr std::size_t most_at_once = Turns::turn_bytes;

  // All outlive it; none: everything is done at once.
  explicit Aside(std::vector<io::Worker*> workers) : workers_(std::move(workers)) {}

  // Whether work on so many bytes is to go through run(). What is small is spared the Task.
  bool takes(std::size_t bytes) const { return bytes > most_at_once; }
  // Runs `job` on the workers in rotation and gives what it returned. It is not cancellable: what the job refers to outlives the Task, and
  // nothing else touches it meanwhile.
  template <class Job>
  io::Task<std::invoke_result_t<Job&>> run(Job job) {
    if (workers_.empty()) co_return job();
    auto const turn = next_.fetch_add(1, std::memory_order_relaxed);
    co_return co_await io::offload(*workers_[turn % workers_.size()], std::move(job));
  }

 private:
  std::vector<io::Worker*> workers_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace millrace::ingest
