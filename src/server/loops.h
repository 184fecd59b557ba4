// The threads that do the work: each has one io_context and runs nothing else. What shares nothing needs no lock.
//   Life  Executors outlive nothing: whoever has objects on a loop ends them before stop(), and destroys them before the Loops.
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "io/loop_meter.h"
#include "io/task.h"

namespace millrace::server {

class Loops {
 public:
  // `count`: 1 to 64 threads, `nice` lower than the process: the committer's wake-up goes before them.
  Loops(std::size_t count, int nice);
  Loops(Loops const&) = delete;
  Loops& operator=(Loops const&) = delete;
  ~Loops();

  std::vector<io::Executor> executors() const;
  std::vector<io::LoopMeter*> meters() const;  // of each, in the same order
  // Ends the threads after the handler that each is in. What waits is dropped, with the contexts, in the destructor.
  void stop();

 private:
  struct Loop;
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace millrace::server
