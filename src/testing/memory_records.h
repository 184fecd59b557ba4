// Records of the control plane, in memory.
#pragma once
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryRecords final : public store::Records {
 public:
  explicit MemoryRecords(MemoryStart const& start) : start_(start) {}

  io::Task<Result<std::uint64_t>> change(std::vector<store::RecordChange> changes) override;
  std::uint64_t newest_change() const override;
  io::Task<Result<std::shared_ptr<void>>> follow(
      std::string collection, std::uint64_t since, io::Executor loop,
      std::function<void(store::SharedChange)> tell) override;
  io::Task<Result<store::Record>> find(std::string collection, std::string id) override;
  io::Task<Result<std::vector<store::Record>>> list(std::string collection) override;
  io::Task<Result<store::Page<store::Record>>> newest(std::string collection, std::string after,
                                                      store::PageLimits limits) override;

 private:
  using World = MemoryWorld::Records;
  static void tell(World& s, std::vector<store::RecordChange> const& changes);
  template <class Work>
  auto with(Work work) const {
    return start_.with([&](MemoryWorld& world) { return work(world.records); });
  }

  MemoryStart const& start_;
};

}  // namespace millrace::testing
