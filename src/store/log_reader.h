// Reads the log from disk, and lets go of what is too old. One thread's: the reader worker's.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "store/batch_memory.h"
#include "store/log_writer.h"
#include "store/segment_source.h"
#include "store/segments.h"

namespace millrace::store {

class LogReader {
 public:
  LogReader(Folder& folder, Segments& segments, BatchMemory& memory, LogWriter& writer);

  Result<std::vector<SharedBatch>> read(std::uint64_t first, ReadLimits limits);
  Result<std::vector<BatchSummary>> summaries(std::uint64_t first, std::size_t limit);
  Result<std::uint64_t> batch_at(WallTime time);
  Result<std::pair<SharedBatch, std::uint32_t>> find(EventId event);

  // The headers of the batches that retain() will let go of, when it is called next.
  Result<std::vector<BatchSummary>> doomed(WallTime now);
  Result<LogRange> retain(WallTime now);

  // Damage that was found: told and counted once, whoever finds it.
  void damaged(std::uint64_t from, std::uint64_t end, std::string const& file,
               std::string const& why);

 private:
  struct Open {
    std::unique_ptr<SegmentSource> source;
    bool sealed = false;
    std::uint64_t used = 0;
  };
  using Visit = std::function<Result<bool>(
      StoredRow const&)>;  // false: enough. corrupt: this batch is damaged

  // Visits the batches from `first` on, over damage and gaps.
  Result<void> walk(std::uint64_t first, Wanted wanted, Visit const& visit);
  Result<std::uint64_t> walk_segment(Segment const& segment, std::uint64_t from, std::uint64_t end,
                                     Wanted wanted, Visit const& visit, bool& enough);
  Result<SegmentSource*> open(Segment const& segment);
  Result<std::uint64_t> first_in(Segment const& segment, WallTime time);
  Result<SharedBatch> find_in(Segment const& segment, EventId event);
  Result<WallTime> accepted(Segment const& segment,
                            Result<std::optional<WallTime>> (SegmentSource::*which)());
  Result<WallTime> first_accepted(Segment const& segment);
  Result<WallTime> last_accepted(Segment const& segment);
  std::optional<WallTime> began(Segment const& segment);
  void tell_damage(std::uint64_t from, std::uint64_t end, std::string const& file,
                   std::string const& why);
  std::uint64_t keep_from(WallTime now);

  Folder& folder_;
  Segments& segments_;
  BatchMemory& memory_;
  LogWriter& writer_;
  std::map<std::uint64_t, Open> open_;
  std::uint64_t uses_ = 0;
  std::set<std::uint64_t> told_;  // damage that was logged and counted
  std::optional<std::uint64_t> doomed_to_;
};

}  // namespace millrace::store
