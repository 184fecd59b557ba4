// Walks over the frames of one segment's file. One thread's.
#pragma once
#include <optional>
#include <string>

#include "io/files.h"
#include "log/format.h"

namespace millrace::log {

class FrameReader {
 public:
  // `file` outlives it. Nothing at or behind `end` is looked at.
  FrameReader(io::File& file, Salt const& salt, std::uint64_t end)
      : file_(file), salt_(salt), end_(end) {}

  void end_is(std::uint64_t end) { end_ = end; }
  std::uint64_t end() const { return end_; }

  // The frame that begins at `place`; nullopt: none of this segment does. What it says to follow may be cut off. Fails with: io.
  Result<std::optional<Prefix>> at(std::uint64_t place);
  // The first one that begins at or behind `place`, a multiple of frame_step. Reads up to the end, once. Fails with: io.
  Result<std::optional<Prefix>> search(std::uint64_t place);
  // Fails with: corrupt (they are not what was written), io.
  Result<std::string> head(Prefix const& frame);
  Result<std::string> body(Prefix const& frame);

 private:
  Result<std::string_view> window(std::uint64_t place, std::size_t bytes);
  Result<std::string> section(std::uint64_t place, std::uint32_t bytes, std::uint32_t checksum);

  io::File& file_;
  Salt salt_;
  std::uint64_t end_;
  std::string kept_;  // of the file, from kept_at_ on
  std::uint64_t kept_at_ = 0;
};

}  // namespace millrace::log
