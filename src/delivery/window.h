// How many sends a lane has under way at most: additive increase, multiplicative decrease, between 1 and a limit.
//   It doubles a round trip up to 32 until the first overload, then adds one for each window of successes; an overload halves it,
//   once for all the sends that were begun before the halving.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace millrace::delivery {

class Window {
 public:
  explicit Window(std::size_t limit)
      : limit_(std::max<std::size_t>(limit, 1)), size_(std::min<std::size_t>(2, limit_)) {}

  std::size_t size() const { return size_; }

  // A send begins; the answer's call takes the number back.
  std::uint64_t begin() { return ++begun_; }

  // `full`: the window was used up, so that a larger one would have been used.
  void succeeded(bool full) {
    if (!full || size_ >= limit_) return;
    if (!overloaded_ && size_ < quick_limit) {
      ++size_;
    } else if (++successes_ >= size_) {
      successes_ = 0;
      ++size_;
    }
  }

  void overload(std::uint64_t number) {
    if (number <= halved_at_) return;
    halved_at_ = begun_;
    overloaded_ = true;
    successes_ = 0;
    size_ = std::max<std::size_t>(size_ / 2, 1);
  }

 private:
  static constexpr std::size_t quick_limit = 32;
  std::size_t limit_;
  std::size_t size_;
  std::size_t successes_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t halved_at_ = 0;
  bool overloaded_ = false;
};

}  // namespace millrace::delivery
