// For the tests of this room: a store on a disk in memory, its calls as plain functions, and events to put in.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "io/clock.h"
#include "io/random.h"
#include "io/shared.h"
#include "store/open.h"
#include "testing/crashing_files.h"

namespace millrace::store {

class ToldClock final : public io::Clock {  // moves only when told
 public:
  SteadyTime now() const override {
    return SteadyTime(std::chrono::seconds(1'000) + since_.load());
  }
  WallTime wall() const override {
    return from_unix_ms(1'790'000'000'000) + since_.load() + off_.load();
  }
  io::Task<void> sleep_until(SteadyTime) override { co_return; }
  void advance(Duration span) { since_ = since_.load() + span; }
  void set_wall_off(Duration by) { off_ = by; }  // of what the steady clock says

 private:
  std::atomic<Duration> off_{Duration{}};
  std::atomic<Duration> since_{Duration{}};
};

class CountingRandom final : public io::Random {
 public:
  void fill(std::span<std::byte> out) override {
    for (auto& byte : out)
      byte = static_cast<std::byte>((next_ = next_ * 6364136223846793005U + 1442695040888963407U) >>
                                    56);
  }

 private:
  std::atomic<std::uint64_t> next_{1};
};

class LinesLog final : public Log {
 public:
  bool wants(LogLevel) const override { return true; }
  void write(LogLevel level, std::string_view message, LogFields fields) override {
    std::string line(message);
    for (auto const& field : fields) line += fmt::format(" {}={}", field.key, field.value);
    lines_.with([&](auto& lines) { lines.emplace_back(level, std::move(line)); });
  }
  int count(std::string_view part) const {
    return lines_.with([&](auto const& lines) {
      return static_cast<int>(std::ranges::count_if(
          lines, [&](auto const& line) { return line.second.contains(part); }));
    });
  }
  int count(LogLevel at_least) const {
    return lines_.with([&](auto const& lines) {
      return static_cast<int>(
          std::ranges::count_if(lines, [&](auto const& line) { return line.first >= at_least; }));
    });
  }
  std::string all() const {
    return lines_.with([](auto const& lines) {
      std::string text;
      for (auto const& line : lines) text += line.second + "\n";
      return text;
    });
  }

 private:
  io::Locked<std::vector<std::pair<LogLevel, std::string>>> lines_;
};

inline model::EventBlock block(int events, int size = 300, std::string_view type = "grade_change",
                               int seed = 0) {
  model::EventBlock made;
  for (int i = 0; i < events; ++i) {
    auto const metadata = fmt::format(R"({{"event_name":"{}","n":{}}})", type, seed * 1000 + i);
    std::string fill;
    std::uint32_t x = static_cast<std::uint32_t>(seed * 7919 + i + 1);
    while (fill.size() < static_cast<std::size_t>(size)) {
      x = x * 1664525 + 1013904223;
      fill += fmt::format("{:08x}", x);
    }
    made.add("account-a", type, metadata, fmt::format(R"({{"fill":"{}"}})", fill));
  }
  return made;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    settings.folder = "/data";
    settings.ticker = false;
    settings.reserve_bytes = 0;
    settings.worker = [](std::string const&, int) { return io::inline_worker(); };
    settings.fatal = [this](std::string const& line) { fatal_lines.push_back(line); };
  }

  Result<void> try_open() {
    store.reset();
    settings.meters = std::make_shared<StoreMeters>();
    auto opened = open_folder(settings, files, clock, random, log);
    if (!opened) return pass(opened);
    store = std::move(*opened);
    return {};
  }
  void open() {
    auto const done = try_open();
    ASSERT_TRUE(done) << done.error().what;
  }
  void reopen() {
    if (store) {
      auto const done = wait(store->close());
      EXPECT_TRUE(done) << done.error().what;
    }
    open();
  }

  // Runs a call of the store to its end.
  template <class T>
  T wait(io::Task<T> task) {
    std::optional<T> answer;
    io::TaskScope scope(loop.get_executor());
    scope.start(keep(std::move(task), answer));
    loop.restart();
    loop.run();
    EXPECT_TRUE(answer.has_value());
    return std::move(*answer);
  }
  template <class T>
  static io::Task<void> keep(io::Task<T> task, std::optional<T>& answer) {
    answer.emplace(co_await std::move(task));
  }

  Result<Appended> append(model::EventBlock events,
                          std::optional<RepeatKey> repeat = std::nullopt) {
    return wait(store->append(std::move(events), std::move(repeat)));
  }
  // Whole batches from `first` on; a failure ends it, and fails the test unless `may_fail`.
  std::vector<SharedBatch> read_all(std::uint64_t first, bool may_fail = false) {
    std::vector<SharedBatch> all;
    for (;;) {
      auto part = wait(store->read(first, {}));
      EXPECT_TRUE(part || may_fail) << part.error().what;
      if (!part || part->empty()) return all;
      first = part->back()->number + 1;
      all.insert(all.end(), part->begin(), part->end());
    }
  }

  testing::CrashingFiles files;
  ToldClock clock;
  CountingRandom random;
  LinesLog log;
  io::asio::io_context loop{1};
  FolderSettings settings;
  std::vector<std::string> fatal_lines;
  std::unique_ptr<Store> store;
};

}  // namespace millrace::store
