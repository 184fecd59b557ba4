// Work on a large request in pieces, so that the others of its loop have their turn between two.
//   Use      `if (turns.spend(bytes)) co_await turns.next();` before each item of work.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include "io/task.h"

namespace millrace::ingest {

// What the turns of some requests have come to. Any thread.
class TurnMeter {
 public:
  void note(std::size_t bytes) {
    auto largest = largest_.load(std::memory_order_relaxed);
    while (largest < bytes && !largest_.compare_exchange_weak(largest, bytes)) {
    }
    turns_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  std::size_t turns() const { return turns_.load(std::memory_order_relaxed); }
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }  // of all of them
  std::size_t largest() const { return largest_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> turns_{0}, bytes_{0}, largest_{0};
};

// The turns of one request, one after the other.
class Turns {
 public:
  // About 0.5 ms of usual events, or of expanding what is compressed; 3 ms of JSON that is nothing but brackets or commas.
  static constexpr std::size_t turn_bytes = 256 * 1024;
  static constexpr std::size_t item_bytes = 1024;  // what an item costs beside its bytes

  // `meter` outlives it; none: nobody counts.
  explicit Turns(TurnMeter* meter) : meter_(meter) {}
  Turns(Turns const&) = delete;
  Turns& operator=(Turns const&) = delete;
  ~Turns() { end(); }

  // Notes an item of work that is about to be done. True: it has no room in this turn, and the caller is to `co_await next()` first. An
  // item that is larger than a turn has one to itself.
  bool spend(std::size_t bytes) {
    auto const cost = bytes + item_bytes;
    if (spent_ > 0 && spent_ + cost > turn_bytes) {
      owed_ = cost;
      return true;
    }
    spent_ += cost;
    return false;
  }
  // Goes on after what the loop has waiting.
  io::Task<void> next() {
    end();
    spent_ = std::exchange(owed_, 0);
    co_await io::answer<bool>([](io::Resolver<bool> done) { done(true); });
  }

 private:
  void end() {
    if (meter_ != nullptr && spent_ > 0) meter_->note(spent_);
  }
  TurnMeter* meter_;
  std::size_t spent_ = 0, owed_ = 0;
};

}  // namespace millrace::ingest
