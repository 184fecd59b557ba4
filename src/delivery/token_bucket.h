// How many tries a data stream may begin: `rate` a second in the long run, and never more at once than one second's worth (at
// least one). What is not used is kept up to that. Pure; the caller has the clock.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>

#include "base/time.h"

namespace millrace::delivery {

class TokenBucket {
 public:
  // Full at first. No rate: no limit.
  TokenBucket(std::optional<double> rate, SteadyTime now)
      : rate_(rate), filled_at_(now), tokens_(burst()) {}

  bool has_limit() const { return rate_.has_value(); }
  double rate() const { return rate_.value_or(0); }
  double burst() const { return std::max(1.0, rate()); }

  // Another rate from now on; what has gathered stays, up to the new burst.
  void change(std::optional<double> rate, SteadyTime now) {
    fill(now);
    bool const was_free = !rate_;
    rate_ = rate;
    tokens_ = was_free ? burst() : std::min(tokens_, most());
    filled_at_ = now;
  }

  // True: a try may begin, and counts.
  bool take(SteadyTime now) {
    if (!rate_) return true;
    fill(now);
    if (tokens_ < one) return false;
    --tokens_;
    return true;
  }
  // What was taken is not used after all.
  void give_back() {
    if (rate_) tokens_ = std::min(tokens_ + 1, most());
  }

  // When it is worth to ask again after a refusal: for one token, or for those of 10 ms where that is more, so that a high rate
  // does not wake its lane for each.
  SteadyTime next(SteadyTime now) {
    if (!rate_) return now;
    fill(now);
    auto const missing = worthwhile() - tokens_;
    if (missing <= 0) return now;
    return now +
           SteadyTime::duration(static_cast<SteadyTime::rep>(std::ceil(missing / rate() * 1e9)));
  }

 private:
  static constexpr double slip = 1e-6;  // of rounding
  static constexpr double one = 1 - slip;
  // A low rate would lose what comes while its lane is woken late: a tenth of a second's worth is kept beside the one token.
  double most() const { return std::max(burst(), 1 + rate() / 10); }
  double worthwhile() const { return std::clamp(rate() / 100, 1.0, burst()); }
  void fill(SteadyTime now) {
    tokens_ = std::min(most(), tokens_ + rate() * seconds(Duration(now - filled_at_)));
    filled_at_ = now;
  }

  std::optional<double> rate_;
  SteadyTime filled_at_;
  double tokens_;
};

}  // namespace millrace::delivery
