// One segment of the log as its readers take it, whatever form its file has. One thread's, until it ends.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "store/repeat_memory.h"
#include "store/segments.h"

namespace millrace::store {

enum class Wanted : std::uint8_t { time, header, all };

struct StoredRow {  // a batch; header and body only as wanted
  std::uint64_t number = 0;
  std::int64_t accepted_ms = 0;
  std::uint64_t changes = 0;  // as RecordBatch has them
  std::string header, body;
};

struct SegmentMarks {
  std::optional<WallTime> began;  // by the time that was trusted then; nullopt: it does not say
  std::uint64_t never_from = 0;   // numbers from it to the segment's first never were; 0: no gap
};

class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  // The first batch with `number` or more; nullopt: none. What is damaged comes without header and body, or is passed over.
  // Fails with: corrupt (`number` cannot be read, what follows may), busy, io.
  virtual Result<std::optional<StoredRow>> from(std::uint64_t number, Wanted wanted) = 0;
  virtual Result<std::optional<WallTime>> first_accepted() = 0;  // nullopt: it has no batch
  virtual Result<std::optional<WallTime>> last_accepted() = 0;
  virtual Result<SegmentMarks> marks() = 0;
  // Its repeat keys, the newest first. Fails with: corrupt (some cannot be read; the others were given), busy, io.
  virtual Result<void> repeats(std::function<void(Repeat)> const& visit) = 0;
};

// Fails with: missing, corrupt (nothing of it can be read), busy, io.
Result<std::unique_ptr<SegmentSource>> open_segment(Folder& folder, Segments& segments,
                                                    Segment const& segment);

}  // namespace millrace::store
