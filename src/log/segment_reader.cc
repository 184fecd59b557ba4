#include "log/segment_reader.h"

namespace millrace::log {

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(io::Files& files,
                                                           std::string const& path,
                                                           Salt const& salt) {
  auto file = files.open(path, io::OpenMode::read);
  if (!file) return pass(file);
  return std::unique_ptr<SegmentReader>(new SegmentReader(std::move(*file), salt));
}

Result<std::optional<Prefix>> SegmentReader::batch_from(std::uint64_t number, std::uint64_t place,
                                                        std::uint64_t end) {
  frames_->end_is(end);
  if (number == next_number_ && next_place_ > place) place = next_place_;
  while (place < end) {
    auto frame = frames_->at(place);
    if (frame && !*frame) frame = frames_->search(place + frame_step);
    if (!frame) return frame;
    if (!*frame) break;
    place = (*frame)->end();
    if ((*frame)->kind == FrameKind::footer) break;
    if ((*frame)->kind != FrameKind::batch || (*frame)->number < number) continue;
    next_number_ = (*frame)->number + 1;
    next_place_ = place;
    return frame;
  }
  return std::nullopt;
}

Result<std::optional<Prefix>> SegmentReader::frame_at(std::uint64_t place, std::uint64_t end) {
  frames_->end_is(end);
  return frames_->at(place);
}

}  // namespace millrace::log
