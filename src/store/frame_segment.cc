#include "store/frame_segment.h"

#include <algorithm>
#include <ranges>

#include "log/segment_reader.h"
#include "store/batch_format.h"

namespace millrace::store {
namespace {

class FrameSegment final : public SegmentSource {
 public:
  FrameSegment(Segments& segments, std::uint64_t first, std::unique_ptr<log::SegmentReader> reader)
      : segments_(segments), first_(first), reader_(std::move(reader)) {}

  Result<std::optional<StoredRow>> from(std::uint64_t number, Wanted wanted) override {
    auto const spot = segments_.with_contents(first_, [&](log::Contents const& contents) {
      return std::pair(contents.place_before(number), contents.summary.end);
    });
    auto const frame = reader_->batch_from(number, spot.first, spot.second);
    if (!frame) return pass(frame);
    if (!*frame) return std::nullopt;
    StoredRow row{(*frame)->number, (*frame)->accepted_ms, (*frame)->change, {}, {}};
    if (wanted == Wanted::time) return row;
    auto head = reader_->head(**frame);
    if (!head && head.error().fault != Fault::corrupt) return pass(head);
    if (head) row.header = std::move(*head);
    if (wanted == Wanted::header) return row;
    auto body = reader_->body(**frame);
    if (!body && body.error().fault != Fault::corrupt) return pass(body);
    if (body) row.body = std::move(*body);
    return row;
  }

  Result<std::optional<WallTime>> first_accepted() override {
    return time([](log::Summary const& summary) { return summary.first_ms; });
  }
  Result<std::optional<WallTime>> last_accepted() override {
    return time([](log::Summary const& summary) { return summary.last_ms; });
  }
  Result<SegmentMarks> marks() override {
    return segments_.with_contents(first_, [](log::Contents const& contents) {
      SegmentMarks marks;
      if (contents.header.began_ms != 0) marks.began = from_unix_ms(contents.header.began_ms);
      marks.never_from = contents.header.never_from;
      return marks;
    });
  }

  Result<void> repeats(std::function<void(Repeat)> const& visit) override {
    auto const [places, end] = segments_.with_contents(first_, [](log::Contents const& contents) {
      return std::pair(contents.index.keys, contents.summary.end);
    });
    Result<void> done;
    for (auto const place : places | std::views::reverse) {
      auto found = repeats_at(place, end);
      if (!found && found.error().fault != Fault::corrupt) return pass(found);
      if (!found) {
        done = pass(found);
        continue;
      }
      for (auto& repeat : *found | std::views::reverse) visit(std::move(repeat));
    }
    return done;
  }

 private:
  Result<std::vector<Repeat>> repeats_at(std::uint64_t place, std::uint64_t end) {
    auto const frame = reader_->frame_at(place, end);
    if (!frame) return pass(frame);
    if (!*frame || (*frame)->kind != log::FrameKind::keys)
      return fail(Fault::corrupt, "the repeat keys of a commit are damaged");
    auto const body = reader_->body(**frame);
    if (!body) return pass(body);
    return decode_repeats(*body);
  }
  template <class Of>
  Result<std::optional<WallTime>> time(Of of) {
    return segments_.with_contents(first_, [&](log::Contents const& contents) {
      return contents.is_empty() ? std::nullopt : std::optional(from_unix_ms(of(contents.summary)));
    });
  }

  Segments& segments_;
  std::uint64_t first_;
  std::unique_ptr<log::SegmentReader> reader_;
};

// The salt of a segment whose header is lost, as the next one has it.
std::optional<log::Salt> salt_elsewhere(Folder& folder, Segments& segments,
                                        Segment const& segment) {
  auto const next = segments.of(segment.end);
  if (!next || next->first != segment.end || next->form != SegmentForm::frames) return std::nullopt;
  auto const file = folder.files.open(next->path, io::OpenMode::read);
  if (!file) return std::nullopt;
  auto const header = log::read_header(**file);
  if (!header || header->previous.first != segment.first) return std::nullopt;
  return header->previous.salt;
}

}  // namespace

Result<log::Recovered> recover_frames(Folder& folder, Segments& segments, Segment const& segment,
                                      log::KnownEnd known) {
  auto const file = folder.files.open(segment.path, io::OpenMode::read);
  if (!file) return pass(file);
  auto sealed = log::open_sealed(**file);
  if (!sealed) return pass(sealed);
  if (*sealed) {
    log::Recovered found;
    found.contents = std::move(**sealed);
    found.is_sealed = true;
    return found;
  }
  auto found = log::recover(**file, segment.first, known);
  if (found || found.error().fault != Fault::corrupt) return found;
  return log::recover(**file, segment.first, known, salt_elsewhere(folder, segments, segment));
}

Result<std::unique_ptr<SegmentSource>> open_frames(Folder& folder, Segments& segments,
                                                   Segment const& segment) {
  if (!segments.has_contents(segment.first)) {
    // What stands before the next segment was stored, but for a gap that this one's reader is told of.
    auto found = recover_frames(folder, segments, segment, {segment.end, 0});
    if (!found) return pass(found);
    if (found->is_sealed) segments.seal(segment.first);
    segments.keep_contents(segment.first, std::move(found->contents));
  }
  auto const salt = segments.with_contents(
      segment.first, [](log::Contents const& contents) { return contents.header.salt; });
  auto reader = log::SegmentReader::open(folder.files, segment.path, salt);
  if (!reader) return pass(reader);
  return std::make_unique<FrameSegment>(segments, segment.first, std::move(*reader));
}

}  // namespace millrace::store
