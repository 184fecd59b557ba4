#include "testing/sim.h"

#include <algorithm>
#include <cstring>

namespace millrace::testing {

using std::chrono::seconds;

// Lives in the frame of sleep_until(): a cancelled Task takes it out of the clock by unwinding.
struct SimClock::Sleeper {
  Sleeper(SimClock& of, SteadyTime at, io::Executor executor)
      : clock(of), timer(std::move(executor), io::Timer::time_point::max()) {
    place = clock.sleepers_.emplace(at, this);
  }
  ~Sleeper() {
    if (!woken) clock.sleepers_.erase(place);
  }
  Sleeper(Sleeper const&) = delete;
  Sleeper& operator=(Sleeper const&) = delete;

  SimClock& clock;
  io::Timer timer;
  std::multimap<SteadyTime, Sleeper*>::iterator place;
  bool woken = false;
};

SimClock::SimClock()
    : now_(seconds(1000)), wall_(WallTime(seconds(1'795'000'000))) {}  // 2026-11-18

SimClock::~SimClock() { check(sleepers_.empty(), "a SimClock outlives its sleepers"); }

io::Task<void> SimClock::sleep_until(SteadyTime at) {
  if (at <= now_) {
    co_await io::asio::post(co_await io::asio::this_coro::executor, io::as_task);
    co_return;
  }
  Sleeper sleeper(*this, at, co_await io::asio::this_coro::executor);
  static_cast<void>(co_await sleeper.timer.async_wait(io::op));
  if (!sleeper.woken) io::unwind();
}

void SimClock::move_to(SteadyTime at) {
  check(at >= now_, "time does not go back");
  wall_ += at - now_;
  now_ = at;
  while (!sleepers_.empty() && sleepers_.begin()->first <= at) {
    Sleeper& sleeper = *sleepers_.begin()->second;
    sleepers_.erase(sleepers_.begin());
    sleeper.woken = true;
    sleeper.timer.cancel();
  }
}

std::optional<SteadyTime> SimClock::next_wake() const {
  if (sleepers_.empty()) return std::nullopt;
  return sleepers_.begin()->first;
}

void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    // splitmix64: short, and good enough for tests.
    std::uint64_t value = state_ += 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    value ^= value >> 31;
    std::size_t const n = std::min(out.size(), sizeof value);
    std::memcpy(out.data(), &value, n);
    out = out.subspan(n);
  }
}

ConstantRandom::ConstantRandom(double value)
    : bits_(static_cast<std::uint64_t>(value * 0x1.0p53) << 11) {
  check(value >= 0 && value < 1, "chance is in [0, 1)");
}

void ConstantRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    std::size_t const n = std::min(out.size(), sizeof bits_);
    std::memcpy(out.data(), &bits_, n);
    out = out.subspan(n);
  }
}

void RecordingLog::write(LogLevel level, std::string_view message, LogFields fields) {
  std::string line(message);
  for (auto const& field : fields)
    line += "  " + std::string(field.key) + "=" + log_value(field.value);
  lines_.with([&](auto& lines) { lines.emplace_back(level, std::move(line)); });
}

std::vector<std::string> RecordingLog::lines(std::string_view text, LogLevel least) const {
  return lines_.with([&](auto const& lines) {
    std::vector<std::string> found;
    for (auto const& [level, line] : lines)
      if (level >= least && line.contains(text)) found.push_back(line);
    return found;
  });
}

Sim::Sim(std::uint64_t seed) : random_(seed), scope_(context_.get_executor()) {}

Sim::~Sim() {
  scope_.cancel();
  settle();
}

io::Random& Sim::random(Always constant) {
  constants_.push_back(std::make_unique<ConstantRandom>(constant.unit));
  return *constants_.back();
}

void Sim::settle() {
  for (std::size_t done = 1; done > 0;) {
    context_.restart();
    done = context_.poll();
    for (auto* const other : others_) {
      other->restart();
      done += other->poll();
    }
  }
}

void Sim::advance(Duration span) {
  auto const end = clock_.now() + std::chrono::duration_cast<SteadyTime::duration>(span);
  settle();
  for (auto next = clock_.next_wake(); next && *next <= end; next = clock_.next_wake()) {
    clock_.move_to(*next);
    settle();
  }
  clock_.move_to(end);
  settle();
}

void Sim::run_until(std::function<bool()> const& reached) {
  // Real threads need real time; this deadline is only for tests that hang.
  auto const deadline = std::chrono::steady_clock::now() + seconds(20);
  auto const work = boost::asio::make_work_guard(context_);
  settle();
  while (!reached()) {
    check(std::chrono::steady_clock::now() < deadline, "the task ends within 20 s");
    context_.restart();
    context_.run_one_for(std::chrono::milliseconds(20));
  }
}

}  // namespace millrace::testing
