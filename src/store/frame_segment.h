// A segment in the log's own form (room log).
#pragma once
#include "log/recovery.h"
#include "store/segment_source.h"

namespace millrace::store {

// Fails as open_segment().
Result<std::unique_ptr<SegmentSource>> open_frames(Folder& folder, Segments& segments,
                                                   Segment const& segment);
// What its file holds, by its footer or else by walking over it; `known`: of its end. Fails with: corrupt, missing, invalid, busy, io.
Result<log::Recovered> recover_frames(Folder& folder, Segments& segments, Segment const& segment,
                                      log::KnownEnd known);

}  // namespace millrace::store
