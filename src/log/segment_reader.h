// Reads batches of one segment, sealed or still written to, by their numbers. One thread's.
#pragma once
#include <memory>
#include <optional>

#include "log/frame_reader.h"

namespace millrace::log {

class SegmentReader {
 public:
  // The file is opened at once. Fails with: missing, busy, io.
  static Result<std::unique_ptr<SegmentReader>> open(io::Files& files, std::string const& path,
                                                     Salt const& salt);

  // The first batch with a number of `number` or more, from `place` on (Contents::place_before()) and before `end`. Nullopt: there is
  // none. What is damaged is passed over, so the number that comes may be higher.
  Result<std::optional<Prefix>> batch_from(std::uint64_t number, std::uint64_t place,
                                           std::uint64_t end);
  Result<std::optional<Prefix>> frame_at(std::uint64_t place, std::uint64_t end);
  Result<std::string> head(Prefix const& frame) { return frames_->head(frame); }
  Result<std::string> body(Prefix const& frame) { return frames_->body(frame); }

 private:
  explicit SegmentReader(std::unique_ptr<io::File> file, Salt const& salt)
      : file_(std::move(file)), frames_(std::make_unique<FrameReader>(*file_, salt, 0)) {}

  std::unique_ptr<io::File> file_;
  std::unique_ptr<FrameReader> frames_;
  std::uint64_t next_number_ = 0;  // whoever reads on from the last one begins
  std::uint64_t next_place_ = 0;   // here
};

}  // namespace millrace::log
