// Dead letters, in memory.
#pragma once
#include "io/clock.h"
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryLetters final : public store::DeadLetters {
 public:
  explicit MemoryLetters(MemoryStart const& start, io::Clock const& clock)
      : start_(start), clock_(clock) {}

  io::Task<Result<void>> add(std::vector<store::DeadLetter> letters) override;
  io::Task<Result<store::Page<store::DeadLetter>>> list(std::string after,
                                                        store::PageLimits limits) override;
  io::Task<Result<store::DeadLetter>> find(std::string id) override;
  io::Task<Result<std::vector<store::DroppedLetters>>> dropped() override;

 private:
  using World = MemoryWorld::Letters;
  template <class Work>
  auto with(Work work) const {
    return start_.with([&](MemoryWorld& world) { return work(world.letters); });
  }

  MemoryStart const& start_;
  io::Clock const& clock_;
};

}  // namespace millrace::testing
