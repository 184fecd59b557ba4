#include "delivery/throttle.h"

namespace millrace::delivery {

void Throttle::Mark::count_as_retry() {
  if (throttle_ == nullptr || std::exchange(is_retry_, true)) return;
  ++throttle_->retries_under_way_;
}

void Throttle::Mark::spend() {
  if (throttle_ == nullptr) return;
  auto& throttle = *std::exchange(throttle_, nullptr);
  --throttle.under_way_;
  if (std::exchange(is_retry_, false)) --throttle.retries_under_way_;
}

void Throttle::Mark::give_back() {
  if (throttle_ == nullptr) return;
  throttle_->bucket_.give_back();
  spend();
}

std::optional<Throttle::Mark> Throttle::begin_try(SteadyTime now) {
  limited_ = !bucket_.take(now);
  if (limited_) return std::nullopt;
  return Mark(*this);
}

std::size_t Throttle::ahead() const {
  if (!bucket_.has_limit()) return window_.size();
  return std::min(window_.size(), static_cast<std::size_t>(bucket_.burst()));
}

void Throttle::pause(Duration span, SteadyTime now) {
  auto const cut = std::clamp<Duration>(span, Duration::zero(), longest_pause);
  paused_until_ =
      std::max(paused_until_, now + std::chrono::duration_cast<SteadyTime::duration>(cut));
}

}  // namespace millrace::delivery
