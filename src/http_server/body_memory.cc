#include "http_server/body_memory.h"

#include <utility>

#include "base/error.h"

namespace millrace::http::server {

BodyMemory::Usage BodyMemory::usage() const {
  return state_.with([](State const& state) {
    Usage usage{.bytes = state.bytes, .shares = state.shares.size()};
    for (auto const& [name, taken] : state.shares) usage.bodies += taken.bodies;
    return usage;
  });
}

BodyMemory::Grant BodyMemory::judge(State const& state, Taken const& taken, BodyShare const& share,
                                    std::size_t more, bool placed) const {
  if (!placed && taken.bodies >= share.bodies) return Grant::share_full;
  if (taken.bytes + more > share.bytes) return Grant::share_full;
  auto const after = state.bytes + more;
  if (after > most_) return Grant::memory_full;
  bool const is_large = taken.bytes + more > most_ / 32 && share.bytes < most_;
  return is_large && after > most_ - most_ / 4 ? Grant::memory_full : Grant::given;
}

BodyMemory::Hold::Hold(BodyMemory& memory, BodyShare share)
    : memory_(memory), share_(std::move(share)) {
  at_ = memory_.state_.with([&](State& state) {
    auto const at = state.shares.try_emplace(share_.name).first;
    ++at->second.waiting;  // keeps the entry
    return at;
  });
}

BodyMemory::Hold::~Hold() {
  memory_.state_.with([&](State& state) {
    auto& taken = at_->second;
    taken.bytes -= bytes_;
    state.bytes -= bytes_;
    --(placed_ ? taken.bodies : taken.waiting);
    if (taken.bodies == 0 && taken.waiting == 0) state.shares.erase(at_);
    if (listed_) state.waiters.erase(*listed_);
  });
  memory_.wake_next();
}

BodyMemory::Grant BodyMemory::Hold::grow(std::size_t bytes) {
  check(bytes >= bytes_, "a hold grows");
  bool waited = false;
  auto const granted = memory_.state_.with([&](State& state) {
    auto& taken = at_->second;
    if (listed_) state.waiters.erase(*listed_);
    listed_.reset();
    waited = std::exchange(woken_, false);
    auto const more = bytes - bytes_;
    auto const grant = memory_.judge(state, taken, share_, more, placed_);
    if (grant != Grant::given) {
      bool const crowded = !placed_ && !waiting_ && taken.waiting > share_.bodies;
      waiting_ = true;
      return crowded ? Grant::crowded : grant;
    }
    if (!std::exchange(placed_, true)) {
      --taken.waiting;
      ++taken.bodies;
    }
    taken.bytes += more;
    state.bytes += more;
    bytes_ = bytes;
    return grant;
  });
  // Where there was room for one there may be some for the next.
  if (waited && granted == Grant::given) memory_.wake_next();
  return granted;
}

void BodyMemory::Hold::wait(std::size_t bytes, std::function<void()> wake) {
  memory_.state_.with([&](State& state) {
    check(!listed_, "a hold waits once");
    listed_ = state.waiters.insert(state.waiters.end(), Waiter{this, bytes, std::move(wake)});
  });
  memory_.wake_next();  // it may have come meanwhile
}

void BodyMemory::wake_next() {
  std::function<void()> wake;
  state_.with([&](State& state) {
    for (auto at = state.waiters.begin(); at != state.waiters.end(); ++at) {
      auto& hold = *at->hold;
      auto const more = at->bytes - hold.bytes_;
      if (judge(state, hold.at_->second, hold.share_, more, hold.placed_) != Grant::given) continue;
      wake = std::move(at->wake);
      hold.listed_.reset();
      hold.woken_ = true;
      state.waiters.erase(at);
      return;
    }
  });
  if (wake) wake();
}

}  // namespace millrace::http::server
