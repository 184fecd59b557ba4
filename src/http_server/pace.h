// How slow a peer may be: time to spend, which passing bytes earn. Pure.
#pragma once
#include <algorithm>
#include <cstddef>

#include "base/time.h"

namespace millrace::http::server {

struct Pace {
  Duration first;  // before any byte
  Duration most;   // that can be earned; a peer that stands still is given up after it
  std::size_t bytes_per_second;  // of a peer that may go on for ever
};

// When a peer is given up, if nothing more passes: `deadline` is what held before `bytes` passed at `now`.
inline SteadyTime earned(Pace const& pace, SteadyTime deadline, SteadyTime now, std::size_t bytes) {
  using Time = SteadyTime::duration;
  auto const gain = std::chrono::duration<double>(static_cast<double>(bytes) /
                                                  static_cast<double>(pace.bytes_per_second));
  return std::min(deadline + std::chrono::duration_cast<Time>(gain),
                  now + std::chrono::duration_cast<Time>(pace.most));
}

}  // namespace millrace::http::server
