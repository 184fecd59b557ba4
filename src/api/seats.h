// How many large answers are under way at once: each holds about 2 MiB until its reader has taken it, so their number bounds the memory, and
// no account has more than its share of them. Who comes later waits, in order of arrival; who would wait behind too many is refused.
//   Threads  Any. The Seats outlive each Seat.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "io/shared.h"
#include "io/task.h"

namespace millrace::api {

struct SeatLimits {
  std::size_t all = 32;        // answers under way
  std::size_t of_one = 4;      // of one owner
  std::size_t waiting = 512;   // requests that wait
  std::size_t one_waits = 64;  // of one owner
};

class Seats {
 public:
  class Seat {  // until it is destroyed
   public:
    Seat(Seats& seats, std::string owner) : seats_(&seats), owner_(std::move(owner)) {}
    Seat(Seat&& other) noexcept
        : seats_(std::exchange(other.seats_, nullptr)), owner_(std::move(other.owner_)) {}
    Seat& operator=(Seat&&) = delete;
    ~Seat() {
      if (seats_ != nullptr) seats_->leave(owner_);
    }

   private:
    Seats* seats_;
    std::string owner_;
  };

  explicit Seats(SeatLimits limits = {}) : limits_(limits) {}

  // nullopt: too many wait already.
  io::Task<std::optional<Seat>> take(std::string owner);
  std::size_t taken() const;

 private:
  struct Waiter {
    std::string owner;
    io::Resolver<bool> go;
  };
  struct State {
    std::map<std::string, std::size_t> held, waits;  // by owner
    std::size_t taken = 0;
    std::deque<Waiter> waiting;
  };

  bool may_sit(State const& state, std::string const& owner) const;
  void leave(std::string const& owner);

  SeatLimits limits_;
  io::Locked<State> state_;
};

}  // namespace millrace::api
