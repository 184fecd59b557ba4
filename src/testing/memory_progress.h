// What data streams have done, in memory.
#pragma once
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryProgress final : public store::Progress {
 public:
  explicit MemoryProgress(MemoryStart const& start) : start_(start) {}

  io::Task<Result<std::vector<store::StreamState>>> load(store::ShardId shard) override;
  io::Task<Result<std::uint64_t>> keep(std::vector<StreamId> known) override;
  io::Task<Result<std::vector<store::Saved>>> save(store::ShardId shard, std::uint64_t epoch,
                                                   std::vector<store::StreamDelta> deltas) override;
  io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) override;
  io::Task<Result<store::Page<store::Undelivered>>> undelivered(StreamId stream, std::string after,
                                                                store::PageLimits limits,
                                                                store::Payloads payloads) override;
  io::Task<Result<std::vector<store::LedgerMinute>>> ledger(StreamId stream,
                                                            std::int64_t from_minute,
                                                            std::int64_t to_minute) override;

 private:
  using World = MemoryWorld::Streams;
  template <class Work>
  auto with(Work work) const {
    return start_.with([&](MemoryWorld& world) { return work(world.streams); });
  }

  MemoryStart const& start_;
};

}  // namespace millrace::testing
