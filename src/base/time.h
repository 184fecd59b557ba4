// Time as types: an integer never means time. Clocks are in io/clock.h; nothing here reads one.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace millrace {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::steady_clock::time_point;  // for waiting and measuring; no date
using WallTime =
    std::chrono::sys_time<std::chrono::nanoseconds>;  // stamps that people and peers read

// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
std::int64_t unix_ms(WallTime time);
WallTime from_unix_ms(std::int64_t ms);

// "2026-11-21T19:05:12.123Z"; always UTC, always milliseconds.
std::string iso_ms(WallTime time);
// "2026-11-21T19:05:12Z".
std::string iso_s(WallTime time);

// Reads an ISO 8601 time: `T` or space between date and time, seconds with or without up to nine decimals, `Z` or +hh:mm,
// +hhmm, also " -0800". A time without zone is UTC.  Fails with: invalid.
Result<WallTime> parse_time(std::string_view text);

// Reads "150ms", "15s", "5min", "24h", "7d". Fails with: invalid.
Result<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration span);  // the shortest of the same forms that is exact to 1 ms

constexpr double seconds(Duration span) { return std::chrono::duration<double>(span).count(); }
constexpr std::int64_t whole_ms(Duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}

}  // namespace millrace
