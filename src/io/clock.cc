#include "io/clock.h"

namespace millrace::io {

SteadyTime SystemClock::now() const { return std::chrono::steady_clock::now(); }
WallTime SystemClock::wall() const { return std::chrono::system_clock::now(); }

Task<void> SystemClock::sleep_until(SteadyTime at) {
  Timer timer(co_await asio::this_coro::executor, at);
  auto const [error] = co_await timer.async_wait(op);
  if (error) unwind();
}

}  // namespace millrace::io
