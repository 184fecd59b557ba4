// One at a time, by name: changes of one data stream happen one after the other, through registry and dispatcher together, on
// whichever loops they run. Waiting is in order of arrival and as long as those before take.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "io/shared.h"
#include "io/task.h"

namespace millrace::control {

class Turns {
 public:
  class Turn {  // lasts until it is destroyed; the Turns outlives it
   public:
    Turn(Turns& turns, std::string name) : turns_(&turns), name_(std::move(name)) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), name_(std::move(other.name_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end(name_);
    }

   private:
    Turns* turns_;
    std::string name_;
  };

  io::Task<Turn> take(std::string name) {
    co_await io::answer<bool>([this, &name](io::Resolver<bool> mine) {
      auto free = waiting_.with([&](Waiting& waiting) {
        auto const [at, fresh] = waiting.try_emplace(name);
        if (fresh) return std::optional(std::move(mine));
        at->second.push_back(std::move(mine));
        return std::optional<io::Resolver<bool>>();
      });
      if (free) (*free)(true);
    });
    co_return Turn(*this, std::move(name));
  }

 private:
  using Waiting = std::map<std::string, std::deque<io::Resolver<bool>>>;

  void end(std::string const& name) {
    auto next = waiting_.with([&](Waiting& waiting) {
      auto const at = waiting.find(name);
      if (at->second.empty()) {
        waiting.erase(at);
        return std::optional<io::Resolver<bool>>();
      }
      auto first = std::optional(std::move(at->second.front()));
      at->second.pop_front();
      return first;
    });
    if (next) (*next)(true);
  }

  io::Locked<Waiting> waiting_;
};

}  // namespace millrace::control
