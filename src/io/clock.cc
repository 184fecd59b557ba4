#include "io/clock.h"

#include <ctime>

namespace millrace::io {

SteadyTime SystemClock::now() const { return std::chrono::steady_clock::now(); }
SteadyTime SystemClock::uptime() const {
  timespec time{};
  if (::clock_gettime(CLOCK_BOOTTIME, &time) != 0) return now();
  return SteadyTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}
WallTime SystemClock::wall() const { return std::chrono::system_clock::now(); }

Task<void> SystemClock::sleep_until(SteadyTime at) {
  Timer timer(co_await asio::this_coro::executor, at);
  auto const [error] = co_await timer.async_wait(op);
  if (error) unwind();
}

}  // namespace millrace::io
