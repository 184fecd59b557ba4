// Tests only: lanes that note what they are told, and answer late, or not well, on order.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "control/lanes.h"
#include "io/clock.h"

namespace millrace::control {

class FakeLanes final : public Lanes {
 public:
  explicit FakeLanes(io::Clock& clock) : clock_(clock) {}

  std::shared_ptr<void> begin_change() override {
    if (stopping) return nullptr;
    ++permits;
    return {this, [this](void*) { --permits; }};
  }
  io::Task<Result<model::AppliedStream>> apply(DesiredPtr desired) override {
    auto const& stream = desired->stream;
    told.push_back(stream.name + " v" + std::to_string(stream.version) +
                   (desired->gone ? " gone" : " " + std::string(name_of(stream.state))));
    latest = desired;
    if (takes > Duration()) co_await clock_.sleep_for(takes);
    if (auto error = std::exchange(trouble, std::nullopt)) co_return std::unexpected(*error);
    auto answer = counts;
    answer.version = stream.version;
    co_return answer;
  }

  std::vector<std::string> told;  // "NAME vVERSION STATE", or "... gone"
  DesiredPtr latest;
  std::optional<Error> trouble;   // what the next is answered
  Duration takes{};               // each
  model::AppliedStream counts{};  // of each
  bool stopping = false;
  int permits = 0;  // that are held

 private:
  io::Clock& clock_;
};

}  // namespace millrace::control
