// The event log of a folder: what is in memory is answered at once, the rest by the threads of its files.
#pragma once
#include "store/batch_memory.h"
#include "store/event_log.h"
#include "store/log_reader.h"
#include "store/log_writer.h"

namespace millrace::store {

class FolderLog final : public EventLog {
 public:
  FolderLog(BatchMemory& memory, LogWriter& writer, LogReader& reader, io::Worker& worker)
      : memory_(memory), writer_(writer), reader_(reader), worker_(worker) {}

  io::Task<Result<Appended>> append(model::EventBlock events,
                                    std::optional<RepeatKey> repeat) override;
  io::Task<Result<std::vector<SharedBatch>>> read(std::uint64_t first, ReadLimits limits) override;
  io::Task<Result<std::vector<BatchSummary>>> summaries(std::uint64_t first,
                                                        std::size_t limit) override;
  io::Task<Result<std::uint64_t>> batch_at(WallTime time) override;
  io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> find(EventId event) override;
  LogRange range() const override { return writer_.range(); }
  std::string refuses() override { return writer_.refuses(); }
  std::shared_ptr<void> follow(io::Executor loop, std::function<void(SharedBatch)> batch) override {
    return writer_.follow(std::move(loop), std::move(batch));
  }
  io::Task<Result<std::vector<BatchSummary>>> doomed(WallTime now) override;
  io::Task<Result<LogRange>> retain(WallTime now) override;

 private:
  BatchMemory& memory_;
  LogWriter& writer_;
  LogReader& reader_;
  io::Worker& worker_;  // the reader's
};

}  // namespace millrace::store
