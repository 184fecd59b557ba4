#include "log/contents.h"

#include <algorithm>

namespace millrace::log {
namespace {
constexpr std::uint64_t mark_each = 64 * 1024;
}

Contents Contents::empty(FileHeader const& header) {
  Contents made;
  made.header = header;
  made.summary.next = header.first;
  made.summary.commit = header.commit;
  return made;
}

void Contents::add(Prefix const& frame) {
  summary.end = frame.end();
  summary.commit = frame.commit;
  summary.change = frame.change;
  summary.checkpoint = frame.checkpoint;
  if (frame.kind == FrameKind::keys) index.keys.push_back(frame.place);
  if (frame.kind != FrameKind::batch) return;
  if (summary.batches++ == 0) {
    summary.first_ms = frame.accepted_ms;
    summary.first_id = frame.first_id;
  }
  summary.last_ms = frame.accepted_ms;
  summary.last_id = frame.first_id;
  summary.events += frame.events;
  summary.next = frame.number + 1;
  if (index.marks.empty() || frame.place - index.marks.back().place >= mark_each)
    index.marks.push_back({frame.number, frame.accepted_ms, frame.place});
}

std::uint64_t Contents::place_before(std::uint64_t number) const {
  auto const behind = std::ranges::upper_bound(index.marks, number, {}, &Mark::number);
  return behind == index.marks.begin() ? header_bytes : std::prev(behind)->place;
}

std::uint64_t Contents::place_before_time(std::int64_t accepted_ms) const {
  // Of several with the same time the first is wanted.
  auto const at = std::ranges::lower_bound(index.marks, accepted_ms, {}, &Mark::accepted_ms);
  return at == index.marks.begin() ? header_bytes : std::prev(at)->place;
}

}  // namespace millrace::log
