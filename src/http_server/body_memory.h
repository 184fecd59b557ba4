// The memory for bodies of requests under way, and which share of it each body belongs to (server.h: BodyShare, Admission).
//   Rules    A share has no more bytes and bodies than it says. Of the whole, the last quarter is for shares that hold little (one part in
//            32), so that a few large ones never keep all others out. A share that may have all has all.
//   Protocols  One Hold for each body, be it a connection's or a stream's: grow() before bytes are kept, destroy it when they are not.
//   Waiting  Whoever was not given what it asked for may wait to be woken: in the order in which they began, one by one, and only where there
//            is room for what it wants, so that what is given back costs nothing for those that cannot have it.
//   Threads  Any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "http_server/server.h"
#include "io/shared.h"

namespace millrace::http::server {

class BodyMemory {
 public:
  class Hold;

 private:
  struct Taken {
    std::size_t bytes = 0, bodies = 0, waiting = 0;
  };
  using Shares = std::map<std::string, Taken>;
  struct Waiter {
    Hold* hold;
    std::size_t bytes;  // in all
    std::function<void()> wake;
  };

 public:
  enum class Grant : std::uint8_t {
    given,
    share_full,   // by others of the share: ask again, until its patience ends
    memory_full,  // by all together: likewise
    crowded       // so many of the share wait already that this one is not to
  };
  struct Usage {
    std::size_t bytes = 0, bodies = 0, shares = 0;
  };

  explicit BodyMemory(std::size_t bytes) : most_(bytes) {}
  BodyMemory(BodyMemory const&) = delete;
  BodyMemory& operator=(BodyMemory const&) = delete;
  Usage usage() const;

  // A body's part, of the loop of its connection. What it holds goes back when it is destroyed. The BodyMemory outlives it.
  class Hold {
   public:
    Hold(BodyMemory& memory, BodyShare share);
    ~Hold();
    Hold(Hold const&) = delete;
    Hold& operator=(Hold const&) = delete;
    // To hold `bytes` in all, at least as many as before. The first success takes a place among the share's bodies.
    Grant grow(std::size_t bytes);
    // `wake` is called once, on any thread, perhaps within this call: when `bytes` can be had. It only says so: call grow(), whose success
    // wakes the next. A later grow(), and the end of the Hold, take it back.
    void wait(std::size_t bytes, std::function<void()> wake);
    std::size_t bytes() const { return bytes_; }
    BodyShare const& share() const { return share_; }

   private:
    friend class BodyMemory;
    BodyMemory& memory_;
    BodyShare share_;
    Shares::iterator at_;
    std::size_t bytes_ = 0;
    bool placed_ = false, waiting_ = false, woken_ = false;
    std::optional<std::list<Waiter>::iterator> listed_;
  };

 private:
  struct State {
    Shares shares;
    std::size_t bytes = 0;
    std::list<Waiter> waiters;  // the longest first
  };
  void wake_next();
  Grant judge(State const& state, Taken const& taken, BodyShare const& share, std::size_t more,
              bool placed) const;

  std::size_t const most_;
  io::Locked<State> state_;
};

}  // namespace millrace::http::server
