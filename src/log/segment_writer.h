// Writes one new segment: a commit is one write at the end of the file and one sync. One thread's.
//   Crash   A commit that was answered is there whole; another one is there whole or is told as cut off (recovery.h).
//   Fail    Without space a commit is refused as busy and the file is as it was before. After a failed sync what is on the disk is
//           unknown: `fatal` is called, which ends the process.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/files.h"
#include "log/contents.h"

namespace millrace::log {

struct Disk {  // where segments are; all of it outlives what uses it
  io::Files& files;
  std::string folder;
  bool durable = true;  // false: nothing is synced. Only for a test that shows what is lost then
  std::function<void(std::string const& line)> fatal;
};

struct Frame {  // to be written
  FrameKind kind = FrameKind::batch;
  std::uint64_t number = 0;  // of the batch; of another kind: of the batch that comes next
  std::int64_t accepted_ms = 0;
  Uuid first_id;
  std::uint32_t events = 0;
  std::string head, body;
};

struct Commit {
  std::vector<Frame> frames;     // 1 to 65,535
  std::uint64_t change = 0;      // the newest change of records that is stored
  std::uint64_t checkpoint = 0;  // the last commit of the state that is stored
};

class SegmentWriter {
 public:
  // Makes the file `path` with its header, under that name only once it is whole; an older one of that name is replaced.
  // Fails with: busy (no space), io.
  static Result<std::unique_ptr<SegmentWriter>> create(Disk const& disk, std::string path,
                                                       FileHeader const& header);

  // Answers the frames as they stand in the file, once they are safe. Fails with: busy (no space; it may work later), io.
  Result<std::vector<Prefix>> append(Commit const& commit);
  // The file cannot be put back to what it was: nothing more is written to it, and another segment is to begin.
  bool is_spent() const { return spent_; }
  // Adds the footer to what `contents` says, which has all that was appended. Nothing is written after it.
  Result<void> seal(Contents const& contents);

  std::string const& path() const { return path_; }
  FileHeader const& header() const { return header_; }
  std::uint64_t end() const { return end_; }

 private:
  SegmentWriter(Disk const& disk, std::string path, FileHeader const& header,
                std::unique_ptr<io::File> file)
      : disk_(disk),
        path_(std::move(path)),
        header_(header),
        file_(std::move(file)),
        commit_(header.commit) {}
  Result<void> write_at_end(std::string const& bytes);

  Disk const& disk_;
  std::string path_;
  FileHeader header_;
  std::unique_ptr<io::File> file_;
  std::uint64_t end_ = header_bytes;
  std::uint64_t commit_;
  bool spent_ = false;
};

// Ends a segment that a process before has left: cuts off what `contents` does not have when `cut`, then adds the footer behind all that
// is in the file. Fails with: busy (no space; the segment is as good without a footer), io.
Result<void> seal_recovered(Disk const& disk, std::string const& path, Contents const& contents,
                            bool cut);

}  // namespace millrace::log
