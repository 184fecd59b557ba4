// The record of attempts, in memory.
#pragma once
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryAttempts final : public store::Attempts {
 public:
  explicit MemoryAttempts(MemoryStart const& start) : start_(start) {}

  void add(model::Attempt attempt) override;
  io::Task<Result<store::Page<model::Attempt>>> find(store::AttemptQuery query) override;

 private:
  using World = std::vector<model::Attempt>;
  template <class Work>
  auto with(Work work) const {
    return start_.with([&](MemoryWorld& world) { return work(world.attempts); });
  }

  MemoryStart const& start_;
};

}  // namespace millrace::testing
