// The keys of the newest events, by the segment that they came in. One thread.
#pragma once
#include <cstdint>
#include <deque>
#include <unordered_set>
#include <vector>

#include "receive/spool.h"

namespace millrace::receive {

class SeenSet {
 public:
  explicit SeenSet(std::size_t limit) : limit_(limit) {}
  bool has(RepeatHash key) const { return all_.contains(key); }
  // Segments come in order of number. Whole old segments are forgotten beyond the limit.
  void add(std::uint64_t segment, RepeatHash key) {
    if (!all_.insert(key).second) return;
    if (groups_.empty() || groups_.back().segment != segment) groups_.push_back({segment, {}});
    groups_.back().keys.push_back(key);
    while (all_.size() > limit_ && groups_.size() > 1) {
      for (auto const old : groups_.front().keys) all_.erase(old);
      groups_.pop_front();
    }
  }
  std::size_t size() const { return all_.size(); }

 private:
  struct Group {
    std::uint64_t segment;
    std::vector<RepeatHash> keys;
  };
  std::size_t limit_;
  std::deque<Group> groups_;
  std::unordered_set<RepeatHash> all_;
};

}  // namespace millrace::receive
