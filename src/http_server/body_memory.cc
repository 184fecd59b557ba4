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
  });
}

BodyMemory::Grant BodyMemory::Hold::grow(std::size_t bytes) {
  check(bytes >= bytes_, "a hold grows");
  return memory_.state_.with([&](State& state) {
    auto& taken = at_->second;
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
}

}  // namespace millrace::http::server
