// Whether a node still takes changes of its data streams, and how many are under way. A change has a permit from before its record is
// stored until its lane's progress is: a node that stops waits for it, or has refused it before anything was changed.
//   Threads  Any.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>

#include "io/shared.h"
#include "io/task.h"

namespace millrace::delivery {

class ChangeGate {
 public:
  struct Leave {
    void operator()(ChangeGate* gate) const { gate->leave(); }
  };
  // Gives itself back; the gate outlives it.
  using Permit = std::unique_ptr<ChangeGate, Leave>;

  // Null: it is closed.
  Permit enter() {
    return Permit(state_.with([](State& state) {
      if (!state.closed) ++state.inside;
      return !state.closed;
    })
                      ? this
                      : nullptr);
  }

  // Nobody enters from now on; answers when those who had a permit have given it back. Once. Not cancellable.
  io::Task<void> close() {
    co_await io::answer<bool>([this](io::Resolver<bool> done) {
      state_.with([&](State& state) {
        state.closed = true;
        if (state.inside == 0) {
          done(true);
        } else {
          state.waiting.emplace(std::move(done));
        }
      });
    });
  }

 private:
  struct State {
    bool closed = false;
    std::size_t inside = 0;
    std::optional<io::Resolver<bool>> waiting;
  };
  void leave() {
    state_.with([](State& state) {
      if (--state.inside == 0 && state.waiting) (*std::exchange(state.waiting, std::nullopt))(true);
    });
  }

  io::Locked<State> state_;
};
using ChangePermit = ChangeGate::Permit;

}  // namespace millrace::delivery
