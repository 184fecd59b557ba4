#include "delivery/retry_policy.h"

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;

Duration times(Duration span, double factor) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(span.count()) * factor));
}

}  // namespace

RetryPolicy RetryPolicy::canvas() { return {{120s, 240s, 480s}, 0.25, 20min, 15s}; }

Result<RetryPolicy> RetryPolicy::make(std::vector<Duration> waits, double jitter, Duration span,
                                      Duration longest_try) {
  if (waits.empty() || waits.size() > 24) return fail(Fault::invalid, "waits: 1 to 24 of them");
  if (!(jitter >= 0 && jitter <= 0.5)) return fail(Fault::invalid, "jitter: is from 0 to 0.5");
  if (longest_try <= 0s) return fail(Fault::invalid, "longest_try: is more than nothing");
  Duration longest = longest_try;
  for (auto const wait : waits) {
    if (wait < 1s || wait > 24h) return fail(Fault::invalid, "waits: each is from 1 s to 24 h");
    longest += times(wait, 1 + jitter) + longest_try;
  }
  if (longest > span) return fail(Fault::invalid, "span: the longest run does not fit");
  return RetryPolicy(std::move(waits), jitter, span, longest_try);
}

std::optional<Duration> RetryPolicy::wait_after(int tried, double luck) const {
  if (tried < 1 || tried >= tries()) return std::nullopt;
  return times(waits_[static_cast<std::size_t>(tried - 1)], 1 - jitter_ + 2 * jitter_ * luck);
}

Duration RetryPolicy::latest_after(int tried) const {
  check(tried >= 1 && tried < tries(), "a try follows");
  Duration latest = span_ - longest_try_ * (tries() - tried);
  for (auto i = static_cast<std::size_t>(tried); i < waits_.size(); ++i)
    latest -= times(waits_[i], 1 - jitter_);
  return latest;
}

}  // namespace millrace::delivery
