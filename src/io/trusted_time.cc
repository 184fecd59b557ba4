#include "io/trusted_time.h"

namespace millrace::io {
namespace {

bool is_near(Duration difference) {
  return difference <= TrustedTime::tolerance && difference >= -TrustedTime::tolerance;
}

}  // namespace

void TrustedTime::begin(WallTime stored) {
  state_.with([&](State& state) {
    if (!state.base) state.base = {stored, clock_.uptime()};
  });
}

void TrustedTime::confirm() {
  state_.with([&](State& state) {
    state.base = {clock_.wall(), clock_.uptime()};
    state.suspicion.reset();
  });
}

TrustedTime::Reading TrustedTime::read() const {
  return state_.with([&](State& state) -> Reading {
    Pair const now{clock_.wall(), clock_.uptime()};
    auto const believe = [&]() -> Reading {
      state.base = now;
      state.suspicion.reset();
      return {now.wall, now.wall, std::nullopt};
    };
    if (!state.base) return believe();
    auto const expected = state.base->wall + (now.uptime - state.base->uptime);
    Duration const ahead = now.wall - expected;
    if (is_near(ahead)) return believe();
    // Another jump begins another doubt.
    if (!state.suspicion || !is_near(ahead - state.suspicion->ahead))
      state.suspicion = {ahead, now.uptime};
    Duration const stayed = now.uptime - state.suspicion->since;
    if (stayed >= confirm_after) return believe();
    return {std::min(now.wall, expected), std::max(now.wall, expected),
            Doubt{ahead, confirm_after - stayed}};
  });
}

}  // namespace millrace::io
