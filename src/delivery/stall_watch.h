// Notices that this process did not run: stopped by a signal, on a machine that was paused or slept. A beat is expected each second; one
// that comes much later, by either clock, tells. Pure; the caller has the clocks.
#pragma once
#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>

#include "base/time.h"

namespace millrace::delivery {

class StallWatch {
 public:
  static constexpr Duration period = std::chrono::seconds(1);
  static constexpr Duration least = std::chrono::seconds(3);  // shorter ones are a busy machine's

  struct Moment {
    SteadyTime steady;
    WallTime wall;  // goes on while a machine sleeps, which the other may not
  };

  void begin(Moment now) { last_ = now; }
  void beat(Moment now) {
    auto const lost = since_beat(now);
    if (lost > Duration::zero()) stalls_.push_back({now.steady, lost});
    if (stalls_.size() > kept) stalls_.pop_front();
    last_ = now;
  }
  void end() { last_.reset(); }  // no beats are expected until begin()

  // How long it did not run since `began`, a time between begin() and now.
  Duration lost(SteadyTime began, Moment now) const {
    Duration sum = since_beat(now);
    for (auto const& stall : stalls_)
      if (stall.end > began) sum += stall.length;
    return sum;
  }

 private:
  struct Stall {
    SteadyTime end;
    Duration length;
  };
  static constexpr std::size_t kept = 8;  // newest; no send is long enough for more

  Duration since_beat(Moment now) const {
    if (!last_) return Duration::zero();
    auto const late =
        std::max<Duration>(now.steady - last_->steady, now.wall - last_->wall) - period;
    return late >= least ? late : Duration::zero();
  }

  std::optional<Moment> last_;
  std::deque<Stall> stalls_;
};

}  // namespace millrace::delivery
