// A program's day in a moment: one loop that the test's thread polls, a clock that moves only when told, chance from a seed.
//   Use      Sim sim; Lane lane(..., sim.clock(), sim.random()); auto running = sim.start(lane.run()); sim.advance(20min);
//   Threads  All of it belongs to the test's thread. Tasks that wait for other threads (a Worker, a socket) need finish().
//   Order    Whoever sleeps wakes in the order of the times asked for, the loop running dry between any two times.
#pragma once
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/shared.h"
#include "io/task.h"

namespace millrace::testing {

// A clock that moves only when told to.
class SimClock final : public io::Clock {
 public:
  SimClock();
  ~SimClock() override;
  SteadyTime now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  io::Task<void> sleep_until(SteadyTime at) override;

  void move_to(SteadyTime at);  // wakes whoever waited for a time up to `at`; never goes back
  void step_wall(Duration by) { wall_ += by; }  // somebody set the system's clock; nobody wakes
  std::optional<SteadyTime> next_wake() const;  // the earliest time anyone waits for

 private:
  struct Sleeper;
  SteadyTime now_;
  WallTime wall_;
  std::multimap<SteadyTime, Sleeper*> sleepers_;
};

// The same sequence for the same seed.
class SeededRandom final : public io::Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t state_;
};

// unit() is always `value`, which is in [0, 1).
class ConstantRandom final : public io::Random {
 public:
  explicit ConstantRandom(double value);
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t bits_;
};

struct Always {
  double unit;
};
inline Always always(double unit) { return {unit}; }

// Keeps the lines of a program's log.
class RecordingLog final : public Log {
 public:
  bool wants(LogLevel) const override { return true; }
  void write(LogLevel level, std::string_view message, LogFields fields) override;
  // "message  key=value  key=value" of every line of `least` and above that holds `text`.
  std::vector<std::string> lines(std::string_view text = "",
                                 LogLevel least = LogLevel::debug) const;

 private:
  io::Locked<std::vector<std::pair<LogLevel, std::string>>> lines_;
};

// A Task that a Sim runs.
template <class T>
class Started {
 public:
  bool done() const { return state_->has_value(); }
  T& value() const {
    check(done(), "the simulated task has ended");
    return **state_;
  }

 private:
  friend class Sim;
  std::shared_ptr<std::optional<T>> state_ = std::make_shared<std::optional<T>>();
};

struct Nothing {
  friend bool operator==(Nothing, Nothing) = default;
};

class Sim {
 public:
  explicit Sim(std::uint64_t seed = 1);
  ~Sim();  // cancels what still runs

  io::Executor executor() { return context_.get_executor(); }
  boost::asio::io_context& context() { return context_; }
  SimClock& clock() { return clock_; }
  io::Random& random() { return random_; }
  io::Random& random(Always constant);  // lives as long as the Sim
  RecordingLog& log() { return log_; }

  template <class T>
  Started<T> start(io::Task<T> task) {
    Started<T> started;
    scope_.start(keep(std::move(task), started.state_));
    return started;
  }
  Started<Nothing> start(io::Task<void> task) {
    Started<Nothing> started;
    scope_.start(keep_end(std::move(task), started.state_));
    return started;
  }

  // Another loop that the same hand turns, after this one; until detach(), which must come before the context goes.
  void attach(boost::asio::io_context& other) { others_.push_back(&other); }
  void detach(boost::asio::io_context& other) { std::erase(others_, &other); }

  void settle();                // until nobody can go on without time passing
  void advance(Duration span);  // time passes; all that is due happens, in order
  void cancel() { scope_.cancel(); }

  // Runs the task to its end without time passing: a task that waits for time ends the process.
  template <class T>
  T run(io::Task<T> task) {
    auto const started = start(std::move(task));
    settle();
    check(started.done(), "the task ends without time passing");
    return std::move(started.value());
  }
  void run(io::Task<void> task) {
    auto const started = start(std::move(task));
    settle();
    check(started.done(), "the task ends without time passing");
  }

  // For tests with real threads or sockets: runs the loop in real time until the task has ended, 20 s at most.
  template <class T>
  T finish(io::Task<T> task) {
    auto const started = start(std::move(task));
    run_until([&] { return started.done(); });
    return std::move(started.value());
  }
  void finish(io::Task<void> task) {
    auto const started = start(std::move(task));
    run_until([&] { return started.done(); });
  }
  void run_until(std::function<bool()> const&
                     reached);  // in real time, 20 s at most; then it ends the process

 private:
  template <class T>
  static io::Task<void> keep(io::Task<T> task, std::shared_ptr<std::optional<T>> into) {
    into->emplace(co_await std::move(task));
  }
  static io::Task<void> keep_end(io::Task<void> task,
                                 std::shared_ptr<std::optional<Nothing>> into) {
    co_await std::move(task);
    into->emplace();
  }

  boost::asio::io_context context_{1};
  std::vector<boost::asio::io_context*> others_;
  SimClock clock_;
  SeededRandom random_;
  std::vector<std::unique_ptr<ConstantRandom>> constants_;
  RecordingLog log_;
  io::TaskScope scope_;
};

}  // namespace millrace::testing
