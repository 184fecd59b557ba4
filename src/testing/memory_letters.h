// Dead letters, in memory.
#pragma once
#include "io/clock.h"
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryLetters final : public store::DeadLetters {
 public:
  explicit MemoryLetters(LockedWorld& world, io::Clock const& clock)
      : world_(world), clock_(clock) {}

  io::Task<Result<void>> add(std::vector<store::DeadLetter> letters) override;
  io::Task<Result<store::Page<store::DeadLetter>>> list(std::string after,
                                                        store::PageLimits limits) override;
  io::Task<Result<store::DeadLetter>> find(std::string id) override;
  io::Task<Result<std::vector<store::DroppedLetters>>> dropped() override;

 private:
  using World = MemoryWorld::Letters;
  template <class Work>
  auto with(Work work) const {
    return world_.with([&](MemoryWorld& world) {
      check_open(world);
      return work(world.letters);
    });
  }

  LockedWorld& world_;
  io::Clock const& clock_;
};

}  // namespace millrace::testing
