#include "control/repeats.h"

namespace millrace::control {

void Repeats::put(std::string const& key, Made made) {
  take(key);
  by_time_.emplace(made.at, key);
  by_owner_[made.by].emplace(made.at, key);
  shares_.add(made.by, 1);
  made_.emplace(key, std::move(made));
}

std::optional<Made> Repeats::find(std::string const& key, WallTime earliest) const {
  auto const found = made_.find(key);
  if (found == made_.end() || found->second.at + keep < earliest) return std::nullopt;
  return found->second;
}

std::vector<std::string> Repeats::take_ended(WallTime earliest) {
  std::vector<std::string> ended;
  while (!by_time_.empty() && by_time_.begin()->first + keep < earliest && ended.size() < at_once) {
    ended.push_back(by_time_.begin()->second);
    take(ended.back());
  }
  return ended;
}

std::optional<std::string> Repeats::take_surplus() {
  if (made_.size() <= most) return std::nullopt;
  auto const oldest = by_owner_.at(shares_.largest()).begin()->second;
  take(oldest);
  return oldest;
}

void Repeats::take(std::string const& key) {
  auto const found = made_.find(key);
  if (found == made_.end()) return;
  auto const& made = found->second;
  by_time_.erase({made.at, key});
  auto const owner = by_owner_.find(made.by);
  owner->second.erase({made.at, key});
  if (owner->second.empty()) by_owner_.erase(owner);
  shares_.remove(made.by, 1);
  made_.erase(found);
}

}  // namespace millrace::control
