// One step of long work in each turn of a loop, in the order of asking: so that a thousand TLS handshakes at once leave the loop to
// all others in between.
//   Threads  One loop's.  Lifetime: copies share one queue; whoever waits may go away at any time.
#pragma once
#include <memory>

#include "io/task.h"

namespace millrace::http {

class Turns {
 public:
  explicit Turns(io::Executor loop);
  // Returns when it is the caller's turn: behind all that was ready when it asked. Unwinds when cancelled.
  io::Task<void> next() const;

 private:
  struct Waiter;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace millrace::http
