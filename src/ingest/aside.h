// Work that cannot be cut into turns (the hash of a body, its outer JSON, a single large event): where it would hold its loop too long, a
// thread of its own does it.
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
  // What is done at once takes as long as a turn at most.
  static constexpr std::size_t most_at_once = Turns::turn_bytes;

  // All outlive it; none: everything is done at once.
  Aside(std::vector<io::Worker*> workers, TurnMeter* meter)
      : workers_(std::move(workers)), meter_(meter) {}

  // Whether work on so many bytes is to go through run(). What is small is spared the Task.
  bool takes(std::size_t bytes) const { return bytes > most_at_once; }
  // Counts what is done on the loops instead; null: nobody does.
  TurnMeter* meter() const { return meter_; }
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
  TurnMeter* meter_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace millrace::ingest
