#include "api/seats.h"

#include <algorithm>
#include <vector>

namespace millrace::api {
namespace {

std::size_t count_of(std::map<std::string, std::size_t> const& counts, std::string const& owner) {
  auto const at = counts.find(owner);
  return at == counts.end() ? 0 : at->second;
}

void one_less(std::map<std::string, std::size_t>& counts, std::string const& owner) {
  auto const at = counts.find(owner);
  if (--at->second == 0) counts.erase(at);
}

}  // namespace

bool Seats::may_sit(State const& state, std::string const& owner) const {
  return state.taken < limits_.all && count_of(state.held, owner) < limits_.of_one;
}

io::Task<std::optional<Seats::Seat>> Seats::take(std::string owner) {
  bool const seated = co_await io::answer<bool>([this, &owner](io::Resolver<bool> mine) {
    auto now = state_.with([&](State& state) -> std::optional<bool> {
      if (may_sit(state, owner)) {
        ++state.taken, ++state.held[owner];
        return true;
      }
      if (state.waiting.size() >= limits_.waiting ||
          count_of(state.waits, owner) >= limits_.one_waits)
        return false;
      ++state.waits[owner];
      state.waiting.push_back({owner, std::move(mine)});
      return std::nullopt;
    });
    if (now) mine(*now);
  });
  if (!seated) co_return std::nullopt;
  co_return Seat(*this, std::move(owner));
}

void Seats::leave(std::string const& owner) {
  auto next = state_.with([&](State& state) -> std::optional<Waiter> {
    --state.taken;
    one_less(state.held, owner);
    auto const at = std::ranges::find_if(
        state.waiting, [&](Waiter const& waiter) { return may_sit(state, waiter.owner); });
    if (at == state.waiting.end()) return std::nullopt;
    auto first = std::optional(std::move(*at));
    state.waiting.erase(at);
    one_less(state.waits, first->owner);
    ++state.taken, ++state.held[first->owner];
    return first;
  });
  if (next) next->go(true);
}

std::size_t Seats::taken() const {
  return state_.with([](State const& state) { return state.taken; });
}

}  // namespace millrace::api
