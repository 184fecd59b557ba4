// The event log of the store in memory.
#pragma once
#include "io/clock.h"
#include "testing/memory_world.h"

namespace millrace::testing {

class MemoryLog final : public store::EventLog {
 public:
  explicit MemoryLog(MemoryStart const& start, io::Clock const& clock, MemoryStoreSettings settings)
      : start_(start), clock_(clock), settings_(settings) {}

  io::Task<Result<store::Appended>> append(model::EventBlock events,
                                           std::optional<store::RepeatKey> repeat) override;
  io::Task<Result<std::vector<store::SharedBatch>>> read(std::uint64_t first,
                                                         store::ReadLimits limits) override;
  io::Task<Result<std::vector<store::BatchSummary>>> summaries(std::uint64_t first,
                                                               std::size_t limit) override;
  io::Task<Result<std::uint64_t>> batch_at(WallTime time) override;
  io::Task<Result<std::pair<store::SharedBatch, std::uint32_t>>> find(EventId event) override;
  store::LogRange range() const override;
  std::string refuses() override;  // nothing: it takes what it is not told to refuse
  std::shared_ptr<void> follow(io::Executor loop,
                               std::function<void(store::SharedBatch)> batch) override;
  io::Task<Result<std::vector<store::BatchSummary>>> doomed(WallTime now) override;
  io::Task<Result<store::LogRange>> retain(WallTime now) override;

 private:
  using World = MemoryWorld::Log;
  template <class Work>
  auto with(Work work) const {
    return start_.with([&](MemoryWorld& world) { return work(world.log); });
  }
  Result<store::Appended> commit(World& s, std::uint64_t changes, model::EventBlock events,
                                 std::optional<store::RepeatKey> repeat);

  MemoryStart const& start_;
  io::Clock const& clock_;
  MemoryStoreSettings settings_;
};

}  // namespace millrace::testing
