// When to try again. Immutable and always valid: make() is the only way to one.
#pragma once
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace millrace::delivery {

class RetryPolicy {
 public:
  // The mission's: four tries over 10 to 20 minutes.
  static RetryPolicy canvas();

  // `waits`: one for each retry, 1 to 24, each 1 s to 24 h. `jitter` in [0, 0.5]: a wait is times 1 - jitter to 1 + jitter.
  // `span`: within it all tries of a run end, each taking at most `longest_try`; the longest waits must fit.
  // Fails with: invalid, naming the field.
  static Result<RetryPolicy> make(std::vector<Duration> waits, double jitter, Duration span,
                                  Duration longest_try);

  int tries() const { return static_cast<int>(waits_.size()) + 1; }

  // The wait before the next try when `tried` tries (1 or more) have failed; nullopt: the run is over.
  // `luck` in [0, 1): the caller draws it, so that tests need none.
  std::optional<Duration> wait_after(int tried, double luck) const;

  // How late after the start of its run the try after `tried` ones may begin, so that those that follow still end within the
  // span. `tried`: 1 to tries() - 1.
  Duration latest_after(int tried) const;

  friend bool operator==(RetryPolicy const&, RetryPolicy const&) = default;

 private:
  RetryPolicy(std::vector<Duration> waits, double jitter, Duration span, Duration longest_try)
      : waits_(std::move(waits)), jitter_(jitter), span_(span), longest_try_(longest_try) {}

  std::vector<Duration> waits_;
  double jitter_;
  Duration span_;
  Duration longest_try_;
};

}  // namespace millrace::delivery
