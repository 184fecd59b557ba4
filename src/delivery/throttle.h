// What one lane may begin now: so many sends at a time (Window), so many tries a second (TokenBucket), and nothing new while its
// endpoint asked for a pause. It knows the one next time at which the lane is worth a look. Pure; the caller has the clock.
//   Threads   One loop's.
//   Lifetime  It outlives its marks.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/time.h"
#include "delivery/token_bucket.h"
#include "delivery/window.h"

namespace millrace::delivery {

class Throttle {
 public:
  // The place of one event under way. It gives itself back when it ends, with its token unless the token is spent. Moved, never
  // copied; what was moved from holds nothing.
  class Mark {
   public:
    Mark() = default;
    Mark(Mark&& other) noexcept
        : throttle_(std::exchange(other.throttle_, nullptr)), is_retry_(other.is_retry_) {}
    Mark& operator=(Mark&& other) noexcept {
      if (this == &other) return *this;
      give_back();
      throttle_ = std::exchange(other.throttle_, nullptr);
      is_retry_ = other.is_retry_;
      return *this;
    }
    ~Mark() { give_back(); }

    void count_as_retry();  // once, when it turns out to be one
    void spend();           // a try was made: the place comes back, the token does not
    void give_back();       // no try was made: place and token come back

   private:
    friend class Throttle;
    explicit Mark(Throttle& throttle) : throttle_(&throttle) { ++throttle.under_way_; }

    Throttle* throttle_ = nullptr;
    bool is_retry_ = false;
  };

  // `window`: the most sends at a time. `rate`: tries a second; none: no limit.
  Throttle(std::size_t window, std::optional<double> rate, SteadyTime now)
      : window_(window), bucket_(rate, now) {}
  Throttle(Throttle const&) = delete;
  Throttle& operator=(Throttle const&) = delete;

  // ---- sends
  std::size_t window() const { return window_.size(); }
  std::uint64_t begin_send() { return window_.begin(); }
  void succeeded(bool full) { window_.succeeded(full); }
  void overload(std::uint64_t send) { window_.overload(send); }
  // How many events are worth having in memory ahead of what is sent.
  std::size_t ahead() const;

  // ---- tries
  // Null: not before next_try().
  std::optional<Mark> begin_try(SteadyTime now);
  SteadyTime next_try(SteadyTime now) { return bucket_.next(now); }
  bool has_rate() const { return bucket_.has_limit(); }
  double rate() const { return bucket_.rate(); }
  void change_rate(std::optional<double> rate, SteadyTime now) { bucket_.change(rate, now); }
  // True: something waits for the rate alone.
  bool is_limited() const { return limited_; }
  void has_nothing() { limited_ = false; }              // that could wait for it
  std::size_t under_way() const { return under_way_; }  // events, retries included
  std::size_t retries_under_way() const { return retries_under_way_; }

  // ---- the pause: first tries wait, retries do not
  static constexpr Duration longest_pause = std::chrono::minutes(5);
  // A pause never becomes shorter; one below zero or above the longest is cut.
  void pause(Duration span, SteadyTime now);
  // Until when; none: there is no pause, or it is over.
  std::optional<SteadyTime> paused(SteadyTime now) const {
    return now < paused_until_ ? std::optional(paused_until_) : std::nullopt;
  }

  // ---- the next time to wake
  // True: `at` is earlier than what was asked for since the last woken(), and takes its place.
  bool wants_wake(SteadyTime at) {
    if (at >= wakes_at_) return false;
    wakes_at_ = at;
    return true;
  }
  void woken() { wakes_at_ = SteadyTime::max(); }

 private:
  Window window_;
  TokenBucket bucket_;
  SteadyTime paused_until_{};
  SteadyTime wakes_at_ = SteadyTime::max();
  std::size_t under_way_ = 0;
  std::size_t retries_under_way_ = 0;
  bool limited_ = false;
};

}  // namespace millrace::delivery
