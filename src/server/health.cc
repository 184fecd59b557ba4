#include "server/health.h"

#include <fmt/format.h>

namespace millrace::server {

Health::Health(store::Store& store, io::Clock& clock, std::vector<io::Executor> loops)
    : store_(store), clock_(clock), loops_(std::move(loops)), disk_(pulse("the store")) {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    pulses_.push_back(pulse(fmt::format("loop {}", i)));
  pulses_.push_back(pulse("the node's own loop"));
}

std::shared_ptr<Health::Pulse> Health::pulse(std::string of) const {
  auto made = std::make_shared<Pulse>();
  made->of = std::move(of);
  made->answered = clock_.now().time_since_epoch().count();
  return made;
}

io::Task<void> Health::watch_loops() {
  for (;;) {
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      if (pulses_[i]->asked.exchange(true)) continue;
      io::asio::post(loops_[i], [pulse = pulses_[i], &clock = clock_] {
        pulse->answered = clock.now().time_since_epoch().count();
        pulse->asked = false;
      });
    }
    pulses_.back()->answered = clock_.now().time_since_epoch().count();
    co_await clock_.sleep_for(interval);
  }
}

io::Task<void> Health::watch_store() {
  for (;;) {
    // Any answer will do: a store that fails says so to those who use it. One that does not answer stands still.
    static_cast<void>(co_await store_.records("settings"));
    disk_->answered = clock_.now().time_since_epoch().count();
    co_await clock_.sleep_for(interval);
  }
}

std::string Health::trouble() const {
  auto const now = clock_.now();
  auto const still = [now](Pulse const& pulse) {
    return now - SteadyTime(SteadyTime::duration(pulse.answered.load())) > limit + interval;
  };
  for (auto const& pulse : pulses_)
    if (still(*pulse))
      return fmt::format("{} has not answered for {} s", pulse->of,
                         std::chrono::duration_cast<std::chrono::seconds>(limit).count());
  if (still(*disk_))
    return fmt::format("{} has not answered for {} s", disk_->of,
                       std::chrono::duration_cast<std::chrono::seconds>(limit).count());
  return {};
}

}  // namespace millrace::server
