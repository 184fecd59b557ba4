// A segment of the form before: a SQLite file. It is read until retention takes it; nothing is added to it.
#pragma once
#include "store/segment_source.h"

namespace millrace::store {

// Fails as open_segment().
Result<std::unique_ptr<SegmentSource>> open_old(Folder& folder, Segment const& segment);
struct OldEnd {
  std::optional<std::uint64_t> last;  // number of its last batch; nullopt: it has none
  WallTime last_accepted{};
  std::uint64_t never_from = 0;  // as SegmentMarks
};
// Fails as SegmentSource::from().
Result<OldEnd> end_of_old(Folder& folder, Segment const& segment);
// Moves what is in its write-ahead log into the file. False: it is not done, and is tried again by the next start.
bool seal_old(Folder& folder, std::string const& path);

}  // namespace millrace::store
