#include "http/turns.h"

#include <list>

namespace millrace::http {

struct Turns::State {
  explicit State(io::Executor on) : loop(std::move(on)) {}
  io::Executor loop;
  std::list<Waiter*> queue;
  bool posted = false;  // a call of give() is on its way

  static void post(std::shared_ptr<State> const& self) {
    if (std::exchange(self->posted, true)) return;
    io::asio::post(self->loop, [self] { give(self); });
  }
  static void give(std::shared_ptr<State> const& self);
};

struct Turns::Waiter {
  explicit Waiter(State& of)
      : state(of), changed(of.loop), place(of.queue.insert(of.queue.end(), this)) {}
  ~Waiter() {
    if (!granted) state.queue.erase(place);
  }
  Waiter(Waiter const&) = delete;
  Waiter& operator=(Waiter const&) = delete;

  State& state;
  io::Signal changed;
  bool granted = false;
  std::list<Waiter*>::iterator place;
};

// The next call is posted behind the one who was woken, and behind what is ready besides. No turn is held: who was woken and went
// away, or whose peer stays silent, costs the others nothing.
void Turns::State::give(std::shared_ptr<State> const& self) {
  self->posted = false;
  if (self->queue.empty()) return;
  auto& first = *self->queue.front();
  self->queue.pop_front();
  first.granted = true;
  first.changed.notify();
  if (!self->queue.empty()) post(self);
}

Turns::Turns(io::Executor loop) : state_(std::make_shared<State>(std::move(loop))) {}

io::Task<void> Turns::next() const {
  auto const state = state_;
  Waiter waiter(*state);
  State::post(state);
  while (!waiter.granted) co_await waiter.changed.wait();
}

}  // namespace millrace::http
