#include "log/frame_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::log {
namespace {
constexpr std::size_t window_bytes = 32 * 1024;
constexpr std::size_t search_bytes = 1024 * 1024;
}  // namespace

// Up to `bytes` of the file; fewer at its end. They are there until the next call.
Result<std::string_view> FrameReader::window(std::uint64_t place, std::size_t bytes) {
  if (place >= end_) return std::string_view();
  bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, end_ - place));
  if (place < kept_at_ || place + bytes > kept_at_ + kept_.size()) {
    auto const wanted = std::min<std::uint64_t>(std::max(bytes, window_bytes), end_ - place);
    kept_.resize(static_cast<std::size_t>(wanted));
    kept_at_ = place;
    auto const got = file_.read(place, std::as_writable_bytes(std::span(kept_)));
    kept_.resize(got ? *got : 0);
    if (!got) return pass(got);
  }
  return std::string_view(kept_).substr(static_cast<std::size_t>(place - kept_at_), bytes);
}

Result<std::optional<Prefix>> FrameReader::at(std::uint64_t place) {
  auto const bytes = window(place, prefix_bytes);
  if (!bytes) return pass(bytes);
  return decode_prefix(*bytes, salt_, place);
}

Result<std::optional<Prefix>> FrameReader::search(std::uint64_t place) {
  for (; place + prefix_bytes <= end_; place += search_bytes) {
    auto const part = window(place, search_bytes + prefix_bytes);
    if (!part) return pass(part);
    for (std::size_t i = 0; i < search_bytes && i + prefix_bytes <= part->size(); i += frame_step) {
      auto const bytes = part->substr(i, prefix_bytes);
      if (!may_begin_frame(bytes)) continue;
      if (auto const frame = decode_prefix(bytes, salt_, place + i)) return frame;
    }
  }
  return std::nullopt;
}

Result<std::string> FrameReader::section(std::uint64_t place, std::uint32_t bytes,
                                         std::uint32_t checksum) {
  std::string found;
  if (bytes <= window_bytes) {
    auto const part = window(place, bytes);
    if (!part) return pass(part);
    found = *part;
  } else if (place < end_) {
    // Never more than there is: a length that lies asks for no memory.
    found.resize(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, end_ - place)));
    auto const got = file_.read(place, std::as_writable_bytes(std::span(found)));
    if (!got) return pass(got);
    found.resize(*got);
  }
  if (found.size() != bytes || salt_.checksum(found) != checksum)
    return fail(Fault::corrupt,
                fmt::format("the bytes at {} are not those that were written", place));
  return found;
}

Result<std::string> FrameReader::head(Prefix const& frame) {
  return section(frame.head_place(), frame.head_bytes, frame.head_checksum);
}

Result<std::string> FrameReader::body(Prefix const& frame) {
  return section(frame.body_place(), frame.body_bytes, frame.body_checksum);
}

}  // namespace millrace::log
