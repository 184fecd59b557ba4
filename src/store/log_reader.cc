#include "store/log_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/batch_format.h"

namespace millrace::store {
namespace {

constexpr std::size_t most_open = 8;
constexpr std::size_t most_told = 100'000;

// Nothing is to be had of it, now or later; what others hold is there.
bool is_of_the_segment(Error const& error) {
  return error.fault == Fault::corrupt || error.fault == Fault::missing;
}

}  // namespace

LogReader::LogReader(Folder& folder, Segments& segments, BatchMemory& memory, LogWriter& writer)
    : folder_(folder), segments_(segments), memory_(memory), writer_(writer) {}

// ---- reading ----------------------------------------------------------------------------------------------------------------

Result<std::vector<SharedBatch>> LogReader::read(std::uint64_t first, ReadLimits limits) {
  auto found = memory_.run_from(first, limits);
  if (!found.empty()) return found;
  std::size_t bytes = 0;
  auto const done = walk(first, Wanted::all, [&](StoredRow const& row) -> Result<bool> {
    auto batch = decode_batch(row.number, row.header, row.body, row.changes);
    if (!batch) return pass(batch);
    bytes += (*batch)->events.payload_bytes();
    if (!found.empty() && bytes > limits.bytes) return false;
    memory_.add_older(*batch);
    found.push_back(std::move(*batch));
    return found.size() < limits.batches && bytes < limits.bytes;
  });
  // What was read before the trouble is good; the next call meets the trouble again.
  if (!done && found.empty()) return pass(done);
  return found;
}

Result<std::vector<BatchSummary>> LogReader::summaries(std::uint64_t first, std::size_t limit) {
  std::vector<BatchSummary> found;
  if (limit == 0) return found;
  auto const done = walk(first, Wanted::header, [&](StoredRow const& row) -> Result<bool> {
    auto summary = decode_summary(row.number, row.header);
    if (!summary) return pass(summary);
    found.push_back(std::move(*summary));
    return found.size() < limit;
  });
  if (!done && found.empty()) return pass(done);
  return found;
}

// Times of acceptance do not fall within a segment, and may from one to the next, where the wall clock was put right. So each segment is
// asked for itself.
Result<std::uint64_t> LogReader::batch_at(WallTime time) {
  auto const wanted = std::chrono::ceil<std::chrono::milliseconds>(time);
  for (auto const& segment : segments_.all()) {
    auto const last = last_accepted(segment);
    if (!last && !is_of_the_segment(last.error())) return pass(last);
    if (!last || *last < wanted) continue;
    return first_in(segment, wanted);
  }
  return writer_.range().next;
}

Result<std::uint64_t> LogReader::first_in(Segment const& segment, WallTime time) {
  auto const end = std::min(segment.end, writer_.range().next);
  auto from = segment.first;
  auto to = end;
  while (from < to) {
    auto const middle = from + (to - from) / 2;
    std::optional<StoredRow> seen;
    auto const done = walk(middle, Wanted::time, [&](StoredRow const& row) -> Result<bool> {
      seen = row;
      return false;
    });
    if (!done) return pass(done);
    if (seen && seen->number < to && seen->accepted_ms < unix_ms(time))
      from = seen->number + 1;
    else
      to = middle;
  }
  return from;
}

Result<std::pair<SharedBatch, std::uint32_t>> LogReader::find(EventId event) {
  auto const all = segments_.all();
  auto const time = from_unix_ms(unix_ms(event.uuid.time()));
  for (auto segment = all.rbegin(); segment != all.rend(); ++segment) {
    auto const first = first_accepted(*segment);
    auto const last = first ? last_accepted(*segment) : Result<WallTime>(pass(first));
    if (!last && !is_of_the_segment(last.error())) return pass(last);
    if (!last || time < *first || time > *last) continue;
    auto found = find_in(*segment, event);
    if (!found) return pass(found);
    auto const index = static_cast<std::uint32_t>(event.uuid.low & 0xFFFF);
    if (!*found || index >= (*found)->events.size()) continue;
    memory_.add_older(*found);
    return std::pair(std::move(*found), index);
  }
  return fail(Fault::missing, "event " + event.text() + ": is not in the log");
}

// Null: it is not in this one.
Result<SharedBatch> LogReader::find_in(Segment const& segment, EventId event) {
  auto const time_ms = unix_ms(event.uuid.time());
  auto const first = first_in(segment, from_unix_ms(time_ms));
  if (!first) return pass(first);
  auto const wanted_low = event.uuid.low & ~std::uint64_t{0xFFFF};
  SharedBatch found;
  auto const done = walk(*first, Wanted::all, [&](StoredRow const& row) -> Result<bool> {
    if (row.accepted_ms != time_ms || row.number >= segment.end) return false;
    auto batch = decode_batch(row.number, row.header, row.body, row.changes);
    if (!batch) return pass(batch);
    if ((*batch)->first_id.high != event.uuid.high || (*batch)->first_id.low != wanted_low)
      return true;
    found = std::move(*batch);
    return false;
  });
  if (!done) return pass(done);
  return found;
}

Result<void> LogReader::walk(std::uint64_t first, Wanted wanted, Visit const& visit) {
  auto const range = writer_.range();
  auto number = std::max(first, range.oldest);
  bool enough = false;
  while (number < range.next && !enough) {
    auto const segment = segments_.of(number);
    if (!segment) {
      auto const all = segments_.all();
      auto const next =
          std::ranges::find_if(all, [&](Segment const& one) { return one.first > number; });
      auto const end = next == all.end() ? range.next : next->first;
      damaged(number, end, folder_.settings.folder, "no log segment holds them");
      number = end;
      continue;
    }
    auto const end = std::min(segment->end, range.next);
    auto const reached = walk_segment(*segment, number, end, wanted, visit, enough);
    if (!reached) return pass(reached);
    number = *reached;
  }
  return {};
}

Result<std::uint64_t> LogReader::walk_segment(Segment const& segment, std::uint64_t from,
                                              std::uint64_t end, Wanted wanted, Visit const& visit,
                                              bool& enough) {
  auto const source = open(segment);
  if (!source) {
    auto const fault = source.error().fault;
    if (fault != Fault::corrupt && fault != Fault::missing) return pass(source);
    damaged(from, end, segment.path, source.error().what);
    return end;
  }
  std::optional<Error> refused;  // by the disk, at the batch before this one
  for (auto number = from; number < end && !enough;) {
    auto const row = (*source)->from(number, wanted);
    if (!row) {
      // A page that cannot be read costs what is on it, if what follows can be read; else the whole disk is in trouble.
      if (row.error().fault == Fault::busy || (row.error().fault == Fault::io && refused))
        return pass(row);
      if (row.error().fault == Fault::io) refused = row.error();
      if (row.error().fault == Fault::corrupt)
        damaged(number, number + 1, segment.path, row.error().what);
      ++number;
      continue;
    }
    if (refused)
      damaged(number - 1, number, segment.path, std::exchange(refused, std::nullopt)->what);
    if (!*row || (*row)->number >= end) {
      damaged(number, end, segment.path, "the file ends before them");
      return end;
    }
    auto const& seen = **row;
    if (seen.number > number)
      damaged(number, seen.number, segment.path, "they are not in the file");
    auto const more = visit(seen);
    if (!more && more.error().fault != Fault::corrupt) return pass(more);
    if (!more) damaged(seen.number, seen.number + 1, segment.path, more.error().what);
    if (more && !*more) enough = true;
    number = seen.number + 1;
  }
  if (refused) return std::unexpected(std::move(*refused));
  return end;
}

Result<SegmentSource*> LogReader::open(Segment const& segment) {
  if (auto const at = open_.find(segment.first); at != open_.end()) {
    // Sealed meanwhile: one of the form before knows its write-ahead log, which is of no use any more.
    if (at->second.sealed == segment.sealed) {
      at->second.used = ++uses_;
      return at->second.source.get();
    }
    open_.erase(at);
  }
  auto opened = open_segment(folder_, segments_, segment);
  if (!opened) return pass(opened);
  if (open_.size() >= most_open) {
    auto const oldest =
        std::ranges::min_element(open_, {}, [](auto const& one) { return one.second.used; });
    // What a footer says is read again when it is wanted.
    if (oldest->second.sealed) segments_.forget_contents(oldest->first);
    open_.erase(oldest);
  }
  auto& kept = open_[segment.first];
  kept = {std::move(*opened), segment.sealed, ++uses_};
  return kept.source.get();
}

Result<WallTime> LogReader::accepted(Segment const& segment,
                                     Result<std::optional<WallTime>> (SegmentSource::*which)()) {
  auto const source = open(segment);
  if (!source) return pass(source);
  auto const time = ((*source)->*which)();
  if (!time) return pass(time);
  if (!*time) return fail(Fault::missing, segment.path + ": is empty");
  return **time;
}

Result<WallTime> LogReader::first_accepted(Segment const& segment) {
  if (segment.first_accepted) return *segment.first_accepted;
  auto const time = accepted(segment, &SegmentSource::first_accepted);
  if (time) segments_.know(segment.first, &Segment::first_accepted, *time);
  return time;
}

Result<WallTime> LogReader::last_accepted(Segment const& segment) {
  if (segment.last_accepted) return *segment.last_accepted;
  auto const time = accepted(segment, &SegmentSource::last_accepted);
  if (time && segment.end != std::numeric_limits<std::uint64_t>::max())
    segments_.know(segment.first, &Segment::last_accepted, *time);
  return time;
}

// When it was made, by the time that was trusted then; nullopt: it does not say.
std::optional<WallTime> LogReader::began(Segment const& segment) {
  if (!segment.began) {
    auto const source = open(segment);
    auto const marks = source ? (*source)->marks() : Result<SegmentMarks>(pass(source));
    if (!marks) return std::nullopt;
    segments_.know(segment.first, &Segment::began, marks->began.value_or(WallTime()));
    return marks->began;
  }
  return *segment.began == WallTime() ? std::nullopt : segment.began;
}

// Numbers that the writer stepped over behind a damaged end never were: what is left of the range is damage.
void LogReader::damaged(std::uint64_t from, std::uint64_t end, std::string const& file,
                        std::string const& why) {
  if (from >= end || told_.contains(from) || told_.size() >= most_told) return;
  told_.insert(from);
  if (auto const gap = writer_.gap_from(); gap != 0) end = std::min(end, std::max(from, gap));
  for (auto const& segment : segments_.all()) {
    if (segment.first <= from || segment.first > end) continue;
    auto const source = open(segment);
    auto const marks = source ? (*source)->marks() : Result<SegmentMarks>(pass(source));
    if (!marks || marks->never_from == 0) continue;
    auto const never = std::max(from, marks->never_from);
    tell_damage(from, never, file, why);
    from = segment.first;
  }
  tell_damage(from, end, file, why);
}

void LogReader::tell_damage(std::uint64_t from, std::uint64_t end, std::string const& file,
                            std::string const& why) {
  if (from >= end) return;
  folder_.meters().batches_damaged.add(end - from);
  folder_.log.error("record batches are damaged: their events are lost",
                    {{"from_batch", from}, {"to_batch", end - 1}, {"file", file}, {"why", why}});
}

// ---- retention --------------------------------------------------------------------------------------------------------------

// The first batch that stays.
std::uint64_t LogReader::keep_from(WallTime now) {
  auto const& settings = folder_.settings;
  auto const oldest_allowed = now - settings.log_age;
  auto limit = settings.log_bytes;
  if (auto const space = folder_.files.space(settings.folder))
    limit = std::min(limit, space->total_bytes / 10 * 6);

  auto const all = segments_.all();
  auto bytes = segments_.bytes();
  auto keep = all.empty() ? writer_.range().oldest : all.front().first;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {  // never the newest
    // Nothing in it is younger than a later one, whatever the wall said when it was written.
    auto newest = last_accepted(all[i]);
    if (!newest) newest = first_accepted(all[i + 1]);
    std::optional<WallTime> next_began;
    for (auto next = i + 1; next < all.size() && !next_began; ++next) next_began = began(all[next]);
    if (newest && next_began) newest = std::min(*newest, *next_began);
    bool const too_old = newest && *newest < oldest_allowed;
    if (!too_old && bytes <= limit) break;
    bytes -= std::min(bytes, all[i].bytes);
    keep = all[i + 1].first;
  }
  return keep;
}

Result<std::vector<BatchSummary>> LogReader::doomed(WallTime now) {
  doomed_to_ = keep_from(now);
  std::vector<BatchSummary> found;
  if (*doomed_to_ <= writer_.range().oldest) return found;
  auto const done =
      walk(writer_.range().oldest, Wanted::header, [&](StoredRow const& row) -> Result<bool> {
        if (row.number >= *doomed_to_) return false;
        auto summary = decode_summary(row.number, row.header);
        if (!summary) return pass(summary);
        found.push_back(std::move(*summary));
        return true;
      });
  if (!done) return pass(done);
  return found;
}

Result<LogRange> LogReader::retain(WallTime now) {
  auto const keep = doomed_to_ ? *std::exchange(doomed_to_, std::nullopt) : keep_from(now);
  bool removed = false;
  for (auto const& segment : segments_.all()) {
    if (segment.first >= keep) {
      if (segment.end == std::numeric_limits<std::uint64_t>::max()) {
        // A quiet log keeps one segment for ever, unless it is made to begin another.
        auto const begins = first_accepted(segment);
        if (begins && *begins < now - folder_.settings.log_age) writer_.roll_soon();
      }
      continue;
    }
    if (!removed) {
      writer_.oldest_is(keep);
      memory_.forget_before(keep);
    }
    removed = true;
    open_.erase(segment.first);
    segments_.drop(segment.first);
    if (auto gone = folder_.files.remove(segment.path);
        !gone && gone.error().fault != Fault::missing)
      return pass(gone);
    if (segment.form == SegmentForm::sqlite)
      static_cast<void>(folder_.files.remove(segment.path + "-wal"));
    folder_.log.info("log segment is let go", {{"file", segment.path}, {"bytes", segment.bytes}});
  }
  if (removed)
    if (auto done = folder_.files.sync_folder(folder_.settings.folder); !done)
      folder_.settings.fatal(done.error().what);
  return writer_.range();
}

}  // namespace millrace::store
