#include "store/segment_source.h"

#include "store/frame_segment.h"
#include "store/old_segment.h"

namespace millrace::store {

Result<std::unique_ptr<SegmentSource>> open_segment(Folder& folder, Segments& segments,
                                                    Segment const& segment) {
  return segment.form == SegmentForm::frames ? open_frames(folder, segments, segment)
                                             : open_old(folder, segment);
}

}  // namespace millrace::store
