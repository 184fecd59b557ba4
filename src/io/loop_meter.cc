#include "io/loop_meter.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace millrace::io {
namespace {

// A span is cheap to time by the clock on the wall. The thread's own clock costs a system call: it is asked once in so much time only, and
// where a loop has waited.
constexpr Duration between_cpu = std::chrono::milliseconds(1);

class ThreadClocks final : public LoopClocks {
 public:
  Duration now() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
  Duration cpu() const override {
    std::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
};

}  // namespace

void run_measured(asio::io_context& context, LoopMeter& meter) {
  run_measured(context, meter, ThreadClocks());
}

void run_measured(asio::io_context& context, LoopMeter& meter, LoopClocks const& clocks) {
  auto at = clocks.now(), asked = at, cpu = clocks.cpu();
  while (!context.stopped()) {
    if (context.poll_one() == 0) {
      // Nothing is ready. What comes next is waited for and then run in one call, of which only the processor's time counts.
      auto const before = clocks.cpu();
      if (context.run_one() == 0) return;
      cpu = clocks.cpu();
      meter.note(cpu - before);
      at = asked = clocks.now();
      continue;
    }
    auto const now = clocks.now();
    auto span = now - at;
    at = now;
    if (now - asked >= between_cpu) {
      auto const used = clocks.cpu();
      span = std::min(span, used - cpu);
      cpu = used;
      asked = now;
    }
    meter.note(span);
  }
}

}  // namespace millrace::io
