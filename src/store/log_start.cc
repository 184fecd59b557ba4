// How a log that a process before has left is taken up: where it ends, what is told of its end, the repeat keys of the last day.
#include <fmt/format.h>

#include <ranges>

#include "store/frame_segment.h"
#include "store/log_writer.h"
#include "store/old_segment.h"

namespace millrace::store {
namespace {

// Left free after a damaged end of the log: no position that somebody may remember is given out twice.
constexpr std::uint64_t jump = 10'000;
constexpr auto longest_keep = std::chrono::hours(24);

}  // namespace

Result<LogMark> LogWriter::newest_mark() {
  auto const all = segments_.all();
  for (auto const& segment : all | std::views::reverse) {
    if (segment.form != SegmentForm::frames) break;
    auto const found = recover_frames(folder_, segments_, segment, {});
    if (!found && found.error().fault != Fault::corrupt) return pass(found);
    if (!found) continue;
    auto const& summary = found->contents.summary;
    if (summary.end > log::header_bytes) return LogMark{summary.change, summary.checkpoint};
  }
  return LogMark();
}

Result<void> LogWriter::open(std::uint64_t known_next) {
  segments_.remove_unfinished();
  auto const head = find_head(known_next);
  if (!head) return pass(head);
  next_ = head->next;
  if (head->damaged || head->next < known_next) step_over(head->next, known_next);
  auto const all = segments_.all();
  if (all.size() > 1) look_whether_sealed(all[all.size() - 2]);
  oldest_ = all.empty() ? next_.load() : all.front().first;
  if (last_accepted_ != WallTime()) folder_.time.begin(last_accepted_);
  if (auto done = load_repeats(); !done) return done;
  for (auto const& segment : segments_.all())
    if (!segment.sealed && segment.first != active_first_ &&
        (segment.form == SegmentForm::sqlite || holds_frames(segment.first)))
      seal_later(segment, nullptr);
  return {};
}

// Goes back to the newest segment that holds something.
Result<LogWriter::Head> LogWriter::find_head(std::uint64_t known_next) {
  Head head;
  auto const all = segments_.all();
  for (auto const& segment : all | std::views::reverse) {
    auto const enough = look_at(segment, known_next, head);
    if (enough && *enough) return head;
    if (enough) continue;
    if (enough.error().fault != Fault::corrupt) return pass(enough);
    folder_.log.error("log segment cannot be read: its events are lost, the file is left as it is",
                      {{"file", segment.path}, {"why", enough.error().what}});
    head.damaged = true;
    head.next = std::max(head.next, segment.first + 1);
    return head;
  }
  return head;
}

// True: it says where the log ends. False: it is empty, and what stands before it says when the last batch was accepted.
Result<bool> LogWriter::look_at(Segment const& segment, std::uint64_t known_next, Head& head) {
  auto const enough = segment.form == SegmentForm::frames
                          ? look_at_frames(segment, known_next, head)
                          : look_at_old(segment, head);
  if (enough) head.next = std::max(head.next, segment.first);
  return enough;
}

Result<bool> LogWriter::look_at_frames(Segment const& segment, std::uint64_t known_next,
                                       Head& head) {
  bool const newest = segment.end == std::numeric_limits<std::uint64_t>::max();
  auto found = recover_frames(folder_, segments_, segment, {newest ? known_next : segment.end, 0});
  if (!found) return pass(found);
  auto const& summary = found->contents.summary;
  head.next = std::max(head.next, summary.next);
  if (found->is_sealed) segments_.seal(segment.first);
  if (newest) {
    tell(segment, *found);
    last_commit_ = summary.commit;
    previous_ = {segment.first, summary.end, found->contents.header.salt};
    if (summary.end == log::header_bytes) {
      // It is made anew, under the same name, and says the same.
      never_from_ = found->contents.header.never_from;
      previous_ = found->contents.header.previous;
    } else if (found->cut) {
      if (auto done = log::seal_recovered(disk_, segment.path, found->contents, true); done)
        segments_.seal(segment.first);
    }
  }
  if (!found->contents.is_empty()) last_accepted_ = from_unix_ms(summary.last_ms);
  bool const says_all = !found->contents.is_empty();
  segments_.keep_contents(segment.first, std::move(found->contents));
  return says_all;
}

Result<bool> LogWriter::look_at_old(Segment const& segment, Head& head) {
  auto const end = end_of_old(folder_, segment);
  if (!end) return pass(end);
  if (!end->last) {
    if (segment.end == std::numeric_limits<std::uint64_t>::max()) never_from_ = end->never_from;
    return false;
  }
  last_accepted_ = end->last_accepted;
  head.next = std::max(head.next, *end->last + 1);
  return true;
}

// A process that ended behind the beginning of the newest segment may not have sealed the one before it.
void LogWriter::look_whether_sealed(Segment const& segment) {
  if (segment.form != SegmentForm::frames || segments_.has_contents(segment.first)) return;
  auto found = recover_frames(folder_, segments_, segment, {segment.end, 0});
  if (!found) return;  // whoever reads it is told
  if (found->is_sealed)
    segments_.seal(segment.first);
  else
    segments_.keep_contents(segment.first, std::move(found->contents));
}

void LogWriter::tell(Segment const& segment, log::Recovered const& found) {
  if (auto const& cut = found.cut)
    folder_.log.warning("the event log ends in a commit that was not finished: it is cut off",
                        {{"file", segment.path},
                         {"bytes", cut->bytes},
                         {"commit", cut->commit},
                         {"batches", cut->batches},
                         {"events", cut->events}});
  for (auto const& damage : found.damage)
    if (damage.from == damage.to)
      folder_.log.error("the event log is damaged where no event stands",
                        {{"file", segment.path}, {"at", damage.place}, {"bytes", damage.bytes}});
  if (found.header_is_lost)
    folder_.log.error("the header of a log segment is damaged: its batches are read without it",
                      {{"file", segment.path}});
}

void LogWriter::step_over(std::uint64_t from, std::uint64_t known_next) {
  folder_.log.error(
      "the event log ends too early: what followed is lost",
      {{"from_batch", from}, {"known_to_batch", known_next == 0 ? 0 : known_next - 1}});
  gap_from_ = std::max(from, known_next);
  next_ = gap_from_ + jump;
  // Said in a file at once; if the disk is full, with the first batch.
  static_cast<void>(ensure_active());
}

void LogWriter::remove_old(Segment const& segment) {
  static_cast<void>(folder_.files.remove(segment.path + "-wal"));
  static_cast<void>(folder_.files.remove(segment.path));
}

// ---- repeat keys ------------------------------------------------------------------------------------------------------------

Result<void> LogWriter::load_repeats() {
  Loaded loaded{RepeatHarvest(folder_.settings.repeat_bytes)};
  auto const segments = segments_.all();
  for (auto at = segments.rbegin(); at != segments.rend() && !loaded.enough; ++at) {
    auto const done = load_repeats_of(*at, loaded);
    if (done) continue;
    // Descriptors or memory are short: the next start may have them. What cannot be read will not come back, and the node goes on.
    if (done.error().fault == Fault::busy) return done;
    folder_.log.error(
        "repeat keys cannot be read: a request of the last day that is sent again may be stored "
        "twice",
        {{"file", at->path}, {"why", done.error().what}});
  }
  for (auto& repeat : std::move(loaded.harvest).take()) remember(std::move(repeat));
  return {};
}

Result<void> LogWriter::load_repeats_of(Segment const& segment, Loaded& loaded) {
  auto const now = unix_ms(folder_.time.earliest());
  auto const source = open_segment(folder_, segments_, segment);
  if (!source) return pass(source);
  // What older segments hold has expired.
  auto const oldest = (*source)->first_accepted();
  loaded.enough = oldest && *oldest && **oldest < from_unix_ms(now) - longest_keep;
  auto done = (*source)->repeats([&](Repeat repeat) {
    if (repeat.expires_ms > now && loaded.harvest.wants(repeat.key))
      loaded.harvest.add(std::make_shared<Repeat>(std::move(repeat)));
  });
  if (done && !oldest) return pass(oldest);
  return done;
}

}  // namespace millrace::store
