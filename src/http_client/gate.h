// How many connections a Client opens at a time: who wants one more waits, first come, first served. Only what makes progress counts: an
// opening that has been quiet for a while leaves the gate to the next, so that silent endpoints hold up nobody.
//   Threads  One loop's.
#pragma once
#include <cstddef>
#include <list>

#include "io/task.h"

namespace millrace::http::client {

class Gate {
 public:
  explicit Gate(std::size_t places) : places_(places) {}

  // A place, or the wait for one. Gives it up, or back, when it goes.
  class Pass {
   public:
    Pass(Gate& gate, io::Executor const& loop) : changed(loop), gate_(gate) {
      if (gate_.taken_ < gate_.places_ && gate_.waiting_.empty())
        enter();
      else
        place_ = gate_.waiting_.insert(gate_.waiting_.end(), this);
    }
    ~Pass() {
      if (state_ == State::waiting) gate_.waiting_.erase(place_);
      leave();
    }
    Pass(Pass const&) = delete;
    Pass& operator=(Pass const&) = delete;

    bool entered() const { return state_ != State::waiting; }
    void leave() {
      if (state_ != State::inside) return;
      state_ = State::left;
      --gate_.taken_;
      if (gate_.waiting_.empty()) return;
      auto* const next = gate_.waiting_.front();
      gate_.waiting_.pop_front();
      next->enter();
      next->changed.notify();
    }
    io::Signal changed;  // notified when entered

   private:
    enum class State { waiting, inside, left };
    void enter() {
      state_ = State::inside;
      ++gate_.taken_;
    }
    Gate& gate_;
    State state_ = State::waiting;
    std::list<Pass*>::iterator place_;
  };

 private:
  std::size_t places_, taken_ = 0;
  std::list<Pass*> waiting_;
};

}  // namespace millrace::http::client
