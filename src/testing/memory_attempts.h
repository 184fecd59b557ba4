// The record of attempts, in memory.
#pragma once
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryAttempts final : public store::Attempts {
 public:
  explicit MemoryAttempts(LockedWorld& world) : world_(world) {}

  void add(model::Attempt attempt) override;
  io::Task<Result<store::Page<model::Attempt>>> find(store::AttemptQuery query) override;

 private:
  using World = std::vector<model::Attempt>;
  template <class Work>
  auto with(Work work) const {
    return world_.with([&](MemoryWorld& world) {
      check_open(world);
      return work(world.attempts);
    });
  }

  LockedWorld& world_;
};

}  // namespace millrace::testing
