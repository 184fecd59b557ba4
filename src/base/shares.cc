#include "base/shares.h"

#include "base/error.h"

namespace millrace {

void Shares::add(std::string_view owner, std::uint64_t amount) {
  if (amount == 0) return;
  auto const at = amounts_.try_emplace(std::string(owner)).first;
  by_amount_.erase({at->second, at->first});
  at->second += amount;
  total_ += amount;
  by_amount_.emplace(at->second, at->first);
}

void Shares::remove(std::string_view owner, std::uint64_t amount) {
  if (amount == 0) return;
  auto const at = amounts_.find(owner);
  check(at != amounts_.end() && at->second >= amount, "a share gives up no more than it holds");
  by_amount_.erase({at->second, at->first});
  at->second -= amount;
  total_ -= amount;
  if (at->second == 0)
    amounts_.erase(at);
  else
    by_amount_.emplace(at->second, at->first);
}

std::uint64_t Shares::of(std::string_view owner) const {
  auto const at = amounts_.find(owner);
  return at == amounts_.end() ? 0 : at->second;
}

std::string Shares::largest() const {
  return by_amount_.empty() ? std::string() : by_amount_.rbegin()->second;
}

}  // namespace millrace
