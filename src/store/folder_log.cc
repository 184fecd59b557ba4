#include "store/folder_log.h"

#include <fmt/format.h>

#include "store/batch_format.h"

namespace millrace::store {

io::Task<Result<Appended>> FolderLog::append(model::EventBlock events,
                                             std::optional<RepeatKey> repeat) {
  co_return co_await io::answer<Result<Appended>>(
      [this, events = std::move(events),
       repeat = std::move(repeat)](io::Resolver<Result<Appended>> done) mutable {
        writer_.submit({std::move(events), std::move(repeat), std::move(done), 0});
      });
}

io::Task<Result<std::vector<SharedBatch>>> FolderLog::read(std::uint64_t first, ReadLimits limits) {
  auto const range = writer_.range();
  if (first < range.oldest)
    co_return fail(Fault::missing,
                   fmt::format("event log: batch {} is not kept any more; the oldest is {}", first,
                               range.oldest));
  if (first >= range.next) co_return std::vector<SharedBatch>();
  if (auto found = memory_.run_from(first, limits); !found.empty()) co_return found;
  co_return co_await io::offload(worker_,
                                 [this, first, limits] { return reader_.read(first, limits); });
}

io::Task<Result<std::vector<BatchSummary>>> FolderLog::summaries(std::uint64_t first,
                                                                 std::size_t limit) {
  std::vector<BatchSummary> found;
  for (auto const& batch : memory_.run_from(first, {limit, SIZE_MAX}))
    found.push_back(summary_of(*batch));
  if (!found.empty()) co_return found;
  co_return co_await io::offload(worker_,
                                 [this, first, limit] { return reader_.summaries(first, limit); });
}

io::Task<Result<std::uint64_t>> FolderLog::batch_at(WallTime time) {
  co_return co_await io::offload(worker_, [this, time] { return reader_.batch_at(time); });
}

io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> FolderLog::find(EventId event) {
  co_return co_await io::offload(worker_, [this, event] { return reader_.find(event); });
}

io::Task<Result<std::vector<BatchSummary>>> FolderLog::doomed(WallTime now) {
  co_return co_await io::offload(worker_, [this, now] { return reader_.doomed(now); });
}

io::Task<Result<LogRange>> FolderLog::retain(WallTime now) {
  co_return co_await io::offload(worker_, [this, now] { return reader_.retain(now); });
}

}  // namespace millrace::store
