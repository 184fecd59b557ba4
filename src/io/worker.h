// A thread beside the loops, for what blocks (disks) or computes long (signatures).
//   Values go in and come back through offload(); a Worker shares nothing with the loops.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "io/task.h"

namespace millrace::io {

class Worker {
 public:
  virtual ~Worker() = default;  // runs what was posted, then ends
  // Runs `job` on the worker's thread, after those posted before it. Any thread may call. The queue has no limit of its
  // own: callers bound what they have under way.
  virtual void post(std::move_only_function<void()> job) = 0;
};

// `name`: at most 15 characters, as `top` shows it. `nice`: added to the process's (0 to 19; lower needs privilege and is then ignored).
std::unique_ptr<Worker> thread_worker(std::string name, int nice = 0);

// Runs every job at once, in post(): for simulations.
std::unique_ptr<Worker> inline_worker();

// Sets the calling thread's niceness, and name; what the system refuses is ignored.
void name_thread(std::string const& name);
void nice_thread(int nice);

// Runs `job` on the worker and gives what it returned, back on the caller's loop. Not cancellable: the job always ends first.
// A job that throws ends the process. It must return a value (use Result<void> for none).
template <class Job>
Task<std::invoke_result_t<Job&>> offload(Worker& worker, Job job) {
  using T = std::invoke_result_t<Job&>;
  co_return co_await answer<T>([&worker, job = std::move(job)](Resolver<T> done) mutable {
    worker.post([job = std::move(job), done = std::move(done)]() mutable { done(job()); });
  });
}

}  // namespace millrace::io
