#include "log/recovery.h"

#include "log/frame_reader.h"

namespace millrace::log {
namespace {

constexpr std::size_t most_damage = 10'000;

class Recovery {
 public:
  Recovery(io::File& file, FileHeader const& header, std::uint64_t bytes, KnownEnd known)
      : reader_(file, header.salt, bytes), known_(known) {
    found_.contents = Contents::empty(header);
    found_.file_bytes = bytes;
  }

  Result<Recovered> run() {
    if (auto done = walk(); !done) return pass(done);
    if (auto done = judge_last(); !done) return pass(done);
    return std::move(found_);
  }

 private:
  struct Commit {  // the one that is being read
    std::uint64_t number = 0;
    std::vector<Prefix> frames;
  };

  Summary const& so_far() const { return found_.contents.summary; }
  std::uint64_t next_place() const {
    return last_.frames.empty() ? so_far().end : last_.frames.back().end();
  }

  // Only what comes later counts: neither time nor numbers go back in a file that is written once.
  bool is_later(Prefix const& frame) const {
    if (last_.frames.empty())
      return frame.commit > so_far().commit && frame.number >= so_far().next;
    auto const& before = last_.frames.back();
    auto const least = before.number + (before.kind == FrameKind::batch ? 1 : 0);
    if (frame.number < least) return false;
    return frame.commit == before.commit ? frame.index > before.index
                                         : frame.commit > before.commit;
  }

  Result<std::optional<Prefix>> next_frame() {
    auto frame = reader_.at(next_place());
    if (!frame) return frame;
    if (*frame && is_later(**frame)) return frame;
    auto place = next_place() + frame_step;
    for (;;) {
      frame = reader_.search(place);
      if (!frame || !*frame || is_later(**frame)) return frame;
      place = (*frame)->place + frame_step;
    }
  }

  Result<void> walk() {
    for (;;) {
      auto const frame = next_frame();
      if (!frame) return pass(frame);
      if (!*frame) return {};
      if ((*frame)->commit != last_.number || last_.frames.empty()) {
        // A later commit stands behind it: so it was stored, whatever is left of it.
        if (auto done = take_last(); !done) return done;
        last_.number = (*frame)->commit;
      }
      if ((*frame)->kind == FrameKind::footer) {
        found_.is_sealed = true;
        note_gap(**frame);
        return {};
      }
      last_.frames.push_back(**frame);
    }
  }

  // What is missing between what was read so far and this frame.
  void note_gap(Prefix const& frame) {
    auto const end = so_far().end;
    if (frame.place == end && frame.number == so_far().next) return;
    note({end, frame.place - end, so_far().next, std::max(frame.number, so_far().next),
          std::nullopt});
  }
  void note(Damage const& damage) {
    if (found_.damage.size() < most_damage)
      found_.damage.push_back(damage);
    else
      ++found_.damage_more;
  }

  Result<void> take_last() {
    for (auto const& frame : last_.frames) {
      note_gap(frame);
      auto const head = reader_.head(frame);
      if (!head && head.error().fault != Fault::corrupt) return pass(head);
      if (!head)
        note({frame.head_place(), frame.head_bytes, frame.number, behind(frame), frame.events});
      found_.contents.add(frame);
    }
    last_.frames.clear();
    return {};
  }
  static std::uint64_t behind(Prefix const& frame) {
    return frame.number + (frame.kind == FrameKind::batch ? 1 : 0);
  }

  Result<bool> is_complete() {
    if (last_.frames.empty()) return true;
    // A gap before it is an earlier commit's: the first of its own frames says that it is.
    auto place = last_.frames.front().place;
    std::uint16_t index = 0;
    for (auto const& frame : last_.frames) {
      if (frame.place != place || frame.index != index++) return false;
      place = frame.end();
      for (auto const& part : {reader_.head(frame), reader_.body(frame)}) {
        if (!part && part.error().fault != Fault::corrupt) return pass(part);
        if (!part) return false;
      }
    }
    return index == last_.frames.front().frames;
  }

  // Behind the last commit stands nothing that is later: whether it was stored, others must know.
  Result<void> judge_last() {
    if (found_.is_sealed) return {};
    auto const complete = is_complete();
    if (!complete) return pass(complete);
    if (*complete || is_known()) {
      if (auto done = take_last(); !done) return done;
    } else {
      cut_last();
      return {};
    }
    auto const rest = found_.file_bytes > so_far().end ? found_.file_bytes - so_far().end : 0;
    found_.ends_early = known_.next > so_far().next || known_.end > so_far().end;
    if (found_.ends_early)
      note({so_far().end, rest, so_far().next, std::max(known_.next, so_far().next), std::nullopt});
    else if (rest > 0)
      found_.cut = Cut{so_far().end, rest, so_far().commit + 1, 0, 0};
    return {};
  }
  std::uint64_t first_number_of_last() const {
    auto const& frame = last_.frames.front();
    return std::max<std::uint64_t>(
        frame.number - std::min<std::uint64_t>(frame.number, frame.index), so_far().next);
  }
  bool is_known() const {
    return known_.next > first_number_of_last() || known_.end >= last_.frames.front().end();
  }

  void cut_last() {
    auto const& front = last_.frames.front();
    auto const first = first_number_of_last();
    // An earlier commit that is gone altogether was stored: this one was begun behind it.
    auto const begin = front.index == 0 ? front.place : so_far().end;
    if (begin > so_far().end || first > so_far().next) {
      note({so_far().end, begin - so_far().end, so_far().next, first, std::nullopt});
      found_.contents.summary.end = begin;
      found_.contents.summary.next = first;
    }
    Cut cut{begin, found_.file_bytes - begin, last_.number, 0, 0};
    for (auto const& frame : last_.frames) {
      if (frame.kind == FrameKind::batch) ++cut.batches;
      cut.events += frame.events;
    }
    found_.cut = cut;
    last_.frames.clear();
  }

  FrameReader reader_;
  KnownEnd known_;
  Recovered found_;
  Commit last_;
};

}  // namespace

Result<FileHeader> read_header(io::File& file) {
  std::string block(header_bytes, '\0');
  auto const got = file.read(0, std::as_writable_bytes(std::span(block)));
  if (!got) return pass(got);
  return decode_header(std::string_view(block).substr(0, *got));
}

Result<Recovered> recover(io::File& file, std::uint64_t first, KnownEnd known,
                          std::optional<Salt> salt) {
  auto const bytes = file.size();
  if (!bytes) return pass(bytes);
  auto header = read_header(file);
  if (!header && (header.error().fault != Fault::corrupt || !salt)) return pass(header);
  bool const lost = !header.has_value();
  if (lost) {
    header.emplace();
    header->salt = *salt;
    header->first = first;
  }
  auto found = Recovery(file, *header, *bytes, known).run();
  if (found) found->header_is_lost = lost;
  return found;
}

Result<std::optional<Contents>> open_sealed(io::File& file) {
  auto const bytes = file.size();
  if (!bytes) return pass(bytes);
  if (*bytes < header_bytes + trailer_bytes) return std::nullopt;
  auto const header = read_header(file);
  if (!header && header.error().fault != Fault::corrupt) return pass(header);
  if (!header) return std::nullopt;
  std::string trailer(trailer_bytes, '\0');
  auto const place = *bytes - trailer_bytes;
  if (auto const got = file.read(place, std::as_writable_bytes(std::span(trailer))); !got)
    return pass(got);
  auto const footer = decode_trailer(trailer, place, header->salt);
  if (!footer) return std::nullopt;
  FrameReader reader(file, header->salt, place);
  auto const frame = reader.at(*footer);
  if (!frame) return pass(frame);
  if (!*frame || (*frame)->kind != FrameKind::footer) return std::nullopt;
  auto const read = [&]() -> Result<Contents> {
    auto const head = reader.head(**frame);
    if (!head) return pass(head);
    auto const body = reader.body(**frame);
    if (!body) return pass(body);
    auto summary = decode_summary(*head);
    if (!summary) return pass(summary);
    auto index = decode_index(*body, *summary);
    if (!index) return pass(index);
    return Contents{*header, *summary, std::move(*index)};
  };
  auto contents = read();
  if (!contents && contents.error().fault != Fault::corrupt) return pass(contents);
  if (!contents) return std::nullopt;
  return std::move(*contents);
}

}  // namespace millrace::log
