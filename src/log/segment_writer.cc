#include "log/segment_writer.h"

#include <algorithm>
#include <limits>

#include "base/encoding.h"

namespace millrace::log {
namespace {

constexpr std::string_view beside = ".new";

Result<void> sync(Disk const& disk, io::File& file) {
  if (!disk.durable) return {};
  auto done = file.sync();
  if (!done) disk.fatal(done.error().what);
  return done;
}

// Appends the frame, which is to stand at `place` of the file, to `bytes`.
Prefix append_frame(std::string& bytes, Frame const& frame, Prefix prefix, Salt const& salt) {
  check(frame.head.size() <= most_section_bytes && frame.body.size() <= most_section_bytes,
        "a frame is small");
  prefix.kind = frame.kind;
  prefix.number = frame.number;
  prefix.accepted_ms = frame.accepted_ms;
  prefix.first_id = frame.first_id;
  prefix.events = frame.events;
  prefix.head_bytes = static_cast<std::uint32_t>(frame.head.size());
  prefix.body_bytes = static_cast<std::uint32_t>(frame.body.size());
  prefix.head_checksum = salt.checksum(frame.head);
  prefix.body_checksum = salt.checksum(frame.body);
  auto const begin = bytes.size();
  bytes += encode(prefix, salt);
  bytes += frame.head;
  bytes += frame.body;
  bytes.resize(begin + static_cast<std::size_t>(prefix.end() - prefix.place), '\0');
  return prefix;
}

// The footer and the trailer, to stand at `place`.
std::string footer(Contents const& contents, std::uint64_t place) {
  auto summary = contents.summary;
  summary.marks = contents.index.marks.size();
  summary.keys = contents.index.keys.size();
  Frame frame{.kind = FrameKind::footer,
              .number = summary.next,
              .accepted_ms = summary.last_ms,
              .first_id = {},
              .events = 0,
              .head = encode(summary),
              .body = encode(contents.index)};
  Prefix prefix;
  prefix.place = place;
  prefix.commit = summary.commit + 1;
  prefix.change = summary.change;
  prefix.checkpoint = summary.checkpoint;
  std::string bytes;
  append_frame(bytes, frame, prefix, contents.header.salt);
  bytes += encode_trailer(place, place + bytes.size(), contents.header.salt);
  return bytes;
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(Disk const& disk, std::string path,
                                                             FileHeader const& header) {
  auto const fresh = path + std::string(beside);
  auto const make = [&]() -> Result<std::unique_ptr<io::File>> {
    auto file = disk.files.open(fresh, io::OpenMode::create, 0600);
    if (!file) return file;
    if (auto done = (*file)->truncate(0); !done) return pass(done);
    if (auto done = (*file)->write(0, millrace::as_bytes(encode(header))); !done) return pass(done);
    if (auto done = sync(disk, **file); !done) return pass(done);
    if (auto done = disk.files.rename(fresh, path); !done) return pass(done);
    return file;
  };
  auto file = make();
  if (!file) {
    static_cast<void>(disk.files.remove(fresh));
    return pass(file);
  }
  if (disk.durable)
    if (auto done = disk.files.sync_folder(disk.folder); !done) {
      disk.fatal(done.error().what);
      return pass(done);
    }
  return std::unique_ptr<SegmentWriter>(
      new SegmentWriter(disk, std::move(path), header, std::move(*file)));
}

Result<std::vector<Prefix>> SegmentWriter::append(Commit const& commit) {
  check(!commit.frames.empty() && commit.frames.size() <= std::numeric_limits<std::uint16_t>::max(),
        "a commit has frames, and not too many");
  if (spent_) return fail(Fault::io, path_ + ": is not written any more");
  std::string bytes;
  std::vector<Prefix> frames;
  for (auto const& frame : commit.frames) {
    Prefix prefix;
    prefix.place = end_ + bytes.size();
    prefix.index = static_cast<std::uint16_t>(frames.size());
    prefix.frames = static_cast<std::uint16_t>(commit.frames.size());
    prefix.commit = commit_ + 1;
    prefix.change = commit.change;
    prefix.checkpoint = commit.checkpoint;
    frames.push_back(append_frame(bytes, frame, prefix, header_.salt));
  }
  if (auto done = write_at_end(bytes); !done) return pass(done);
  ++commit_;
  return frames;
}

// Here the file gets its space: it grows by what is written. Other ways (space or zeros ahead) would stand here too.
Result<void> SegmentWriter::write_at_end(std::string const& bytes) {
  if (auto done = file_->write(end_, millrace::as_bytes(bytes)); !done) {
    // What was written of it must not stand behind a later, shorter commit.
    if (!file_->truncate(end_)) spent_ = true;
    return done;
  }
  if (auto done = sync(disk_, *file_); !done) {
    spent_ = true;
    return done;
  }
  end_ += bytes.size();
  return {};
}

Result<void> SegmentWriter::seal(Contents const& contents) {
  if (spent_) return fail(Fault::io, path_ + ": is not written any more");
  auto done = write_at_end(footer(contents, end_));
  if (done) spent_ = true;
  return done;
}

Result<void> seal_recovered(Disk const& disk, std::string const& path, Contents const& contents,
                            bool cut) {
  auto file = disk.files.open(path, io::OpenMode::write, 0600);
  if (!file) return pass(file);
  if (cut) {
    if (auto done = (*file)->truncate(contents.summary.end); !done) return done;
    if (auto done = sync(disk, **file); !done) return done;
  }
  auto const bytes = (*file)->size();
  if (!bytes) return pass(bytes);
  auto const place = round_up(std::max(*bytes, contents.summary.end));
  if (auto done = (*file)->write(place, millrace::as_bytes(footer(contents, place))); !done) {
    static_cast<void>((*file)->truncate(*bytes));
    return done;
  }
  return sync(disk, **file);
}

}  // namespace millrace::log
