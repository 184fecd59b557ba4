#include "store/repeat_memory.h"

#include <algorithm>

#include "base/error.h"

namespace millrace::store {

std::string_view owner_of_repeat(std::string_view key) {
  auto const door = key.find(':');
  if (door == key.npos) return {};
  return key.substr(0, key.find(':', door + 1));
}

SharedRepeat RepeatMemory::find(std::string const& key, std::int64_t now_ms) const {
  auto const at = by_key_.find(key);
  if (at == by_key_.end() || (*at->second)->expires_ms <= now_ms) return nullptr;
  return *at->second;
}

std::size_t RepeatMemory::remember(SharedRepeat repeat, std::int64_t now_ms) {
  // An expired entry under the same key gives way.
  if (auto const at = by_key_.find(repeat->key); at != by_key_.end()) drop(at->second);
  while (!by_age_.empty() && by_age_.front()->expires_ms <= now_ms) drop(by_age_.begin());

  by_age_.push_back(std::move(repeat));
  auto const at = std::prev(by_age_.end());
  auto const owner = owner_of_repeat((*at)->key);
  by_key_.emplace((*at)->key, at);
  by_owner_.try_emplace(std::string(owner)).first->second.push_back(at);
  shares_.add(owner, (*at)->bytes());

  std::size_t let_go = 0;
  for (; shares_.total() > most_bytes_; ++let_go)
    drop(by_owner_.find(shares_.largest())->second.front());
  return let_go;
}

void RepeatMemory::drop(ByAge::iterator at) {
  auto const& repeat = **at;
  auto const owner = by_owner_.find(owner_of_repeat(repeat.key));
  auto& of_owner = owner->second;
  // Nearly always the oldest of its owner: only a key that was used anew after its end is not.
  if (of_owner.front() == at)
    of_owner.pop_front();
  else
    of_owner.erase(std::ranges::find(of_owner, at));
  shares_.remove(owner->first, repeat.bytes());
  if (of_owner.empty()) by_owner_.erase(owner);
  by_key_.erase(repeat.key);
  by_age_.erase(at);
}

bool RepeatHarvest::wants(std::string_view key) const {
  auto const at = by_owner_.find(owner_of_repeat(key));
  return at == by_owner_.end() || !at->second.is_full;
}

void RepeatHarvest::add(SharedRepeat repeat) {
  auto const owner = owner_of_repeat(repeat->key);
  auto& owned = by_owner_.try_emplace(std::string(owner)).first->second;
  if (owned.is_full) return;
  shares_.add(owner, repeat->bytes());
  owned.newest_first.push_back(std::move(repeat));
  while (shares_.total() > most_bytes_) {
    auto const most = by_owner_.find(shares_.largest());
    most->second.is_full = true;
    shares_.remove(most->first, most->second.newest_first.back()->bytes());
    most->second.newest_first.pop_back();
  }
}

std::vector<SharedRepeat> RepeatHarvest::take() && {
  std::vector<SharedRepeat> all;
  for (auto& [owner, owned] : by_owner_)
    std::ranges::move(owned.newest_first, std::back_inserter(all));
  // Their first events stand in the order in which they came.
  std::ranges::sort(all, {}, [](SharedRepeat const& repeat) { return repeat->first; });
  return all;
}

}  // namespace millrace::store
