// When to look at each lane again: one time a lane at most, which a later call replaces. Pure; the caller has the clock.
#pragma once
#include <cstddef>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace millrace::delivery {

class Lane;

class WakeList {  // of lanes that outlive their places, or are forgotten first
 public:
  void put(Lane* lane, SteadyTime at) {
    auto const [place, is_new] = times_.try_emplace(lane, at);
    if (!is_new) order_.erase({std::exchange(place->second, at), lane});
    order_.emplace(at, lane);
  }
  void forget(Lane* lane) {
    auto const found = times_.find(lane);
    if (found == times_.end()) return;
    order_.erase({found->second, lane});
    times_.erase(found);
  }
  std::optional<SteadyTime> next() const {
    return order_.empty() ? std::nullopt : std::optional(order_.begin()->first);
  }
  // Takes out a lane whose time has come; null: none.
  Lane* take_due(SteadyTime now) {
    if (order_.empty() || order_.begin()->first > now) return nullptr;
    auto* const lane = order_.begin()->second;
    forget(lane);
    return lane;
  }
  std::size_t size() const { return order_.size(); }

 private:
  std::set<std::pair<SteadyTime, Lane*>> order_;
  std::unordered_map<Lane*, SteadyTime> times_;
};

}  // namespace millrace::delivery
