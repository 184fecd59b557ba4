#include "delivery/verdict.h"

#include <algorithm>

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;

WallTime due_of(Outcome const& outcome, Standing standing, RetryPolicy const& policy, double luck,
                WallTime now) {
  int const tried = standing.tried + 1;
  Duration wait = *policy.wait_after(tried, luck);
  if (outcome.retry_after && (outcome.status == 429 || outcome.status == 503))
    wait = std::max(wait, *outcome.retry_after);
  // The shortest wait is kept whatever the limit says: after a restart the run's start may lie far back, and a clock that was
  // set may have put it anywhere.
  Duration const latest = policy.latest_after(tried);
  Duration const until_latest = std::min<Duration>(standing.run_start + latest - now, latest);
  return now + std::min(wait, std::max(until_latest, *policy.wait_after(tried, 0)));
}

}  // namespace

Verdict judge(Outcome const& outcome, Standing standing, RetryPolicy const& policy, double luck,
              WallTime now) {
  if (outcome.delivered) return Delivered{};
  if (outcome.failure == model::FailureClass::own_side) {
    auto const wait = Duration(10s) * (0.75 + 0.5 * luck);
    return RetryAt{now + std::chrono::duration_cast<Duration>(wait), false};
  }
  if (standing.tried + 1 >= policy.tries())
    return GivenUp{outcome.failure, outcome.status, outcome.reason};
  return RetryAt{due_of(outcome, standing, policy, luck, now), true};
}

void excuse(Outcome& outcome, Duration stopped) {
  if (stopped <= Duration::zero() || outcome.delivered || outcome.status != 0 ||
      outcome.failure == model::FailureClass::own_side)
    return;
  outcome.reason =
      "this process did not run for " +
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(stopped).count()) +
      " s: " + outcome.reason;
  outcome.failure = model::FailureClass::own_side;
}

bool is_overload(Outcome const& outcome) {
  return outcome.crowded || outcome.failure == model::FailureClass::timeout ||
         outcome.status == 429 || outcome.status == 503;
}

}  // namespace millrace::delivery
