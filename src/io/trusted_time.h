// The time by which things are thrown away. The wall clock may be set wrongly, by hand, by a peer, by a battery that is empty; what is
// removed for being old is gone. So the wall is compared with the steady clock, and at a start with the last time that was stored.
//   Doubt    A wall that is more than `tolerance` away from where it should be is not believed, until it is back, has stayed for
//            `confirm_after`, or a person confirms it. Stamps that people and peers read follow the wall all the same.
//   Threads  Any.
#pragma once
#include <optional>

#include "io/clock.h"
#include "io/shared.h"

namespace millrace::io {

class TrustedTime {
 public:
  static constexpr Duration tolerance = std::chrono::hours(1);
  static constexpr Duration confirm_after = std::chrono::hours(6);

  explicit TrustedTime(Clock const& clock) : clock_(clock) {}  // it outlives this

  // What was trusted when it was stored last, before this start. Only the first call counts, and only before others.
  void begin(WallTime stored);
  // The true time is hardly before earliest() and hardly after latest(): what is over by earliest() is over, what ends after latest()
  // has not ended. Both are the wall's time while it is believed.
  WallTime earliest() const { return read().earliest; }
  WallTime latest() const { return read().latest; }

  struct Doubt {
    Duration ahead;  // the wall, of where it should be; negative: it is behind
    Duration left;   // until it is believed if it stays
  };
  std::optional<Doubt> doubt() const { return read().doubt; }
  void confirm();  // the wall is right

 private:
  struct Reading {
    WallTime earliest{}, latest{};
    std::optional<Doubt> doubt;
  };
  struct Pair {
    WallTime wall{};
    SteadyTime uptime{};
  };
  struct Suspicion {
    Duration ahead{};
    SteadyTime since{};
  };
  struct State {
    std::optional<Pair> base;  // when the wall was believed last
    std::optional<Suspicion> suspicion;
  };
  Reading read() const;

  Clock const& clock_;
  mutable Locked<State> state_;
};

}  // namespace millrace::io
