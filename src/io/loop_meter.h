// How long the handlers of a loop keep it from all others: measured where the loop runs them, so that none is left out.
//   Span     The time from a handler's begin to its end (a Task from one wait to the next); of one that took long only the processor's time
//            of its thread, so that what other processes took of the machine is not charged to it.
//   Threads  The loop's writes; any reads.
#pragma once
#include <atomic>

#include "base/meters.h"
#include "base/time.h"
#include "io/task.h"

namespace millrace::io {

class LoopMeter {
 public:
  void note(Duration span) {
    spans_.add(span);
    auto const count = span.count();
    auto longest = longest_.load(std::memory_order_relaxed);
    while (longest < count && !longest_.compare_exchange_weak(longest, count)) {
    }
  }
  Histogram const& spans() const { return spans_; }
  // The longest span since the last call.
  Duration take_longest() { return Duration(longest_.exchange(0)); }

 private:
  Histogram spans_;
  std::atomic<Duration::rep> longest_{0};
};

// The clocks of a measurement; of the calling thread.
class LoopClocks {
 public:
  virtual ~LoopClocks() = default;
  virtual Duration now() const = 0;  // since some moment; cheap
  virtual Duration cpu() const = 0;  // the processor's time of the thread; some hundred nanoseconds
};

// As context.run(): until it is stopped, or has no work. `meter` and `clocks` outlive the call.
void run_measured(asio::io_context& context, LoopMeter& meter);
void run_measured(asio::io_context& context, LoopMeter& meter, LoopClocks const& clocks);

}  // namespace millrace::io
