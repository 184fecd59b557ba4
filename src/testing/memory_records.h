// Records of the control plane, in memory.
#pragma once
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryRecords final : public store::Records {
 public:
  explicit MemoryRecords(LockedWorld& world) : world_(world) {}

  io::Task<Result<std::uint64_t>> change(std::vector<store::RecordChange> changes) override;
  io::Task<Result<std::vector<store::Record>>> list(std::string collection) override;
  io::Task<Result<store::Page<store::Record>>> newest(std::string collection, std::string after,
                                                      store::PageLimits limits) override;

 private:
  using World = MemoryWorld::Records;
  template <class Work>
  auto with(Work work) const {
    return world_.with([&](MemoryWorld& world) {
      check_open(world);
      return work(world.records);
    });
  }

  LockedWorld& world_;
};

}  // namespace millrace::testing
