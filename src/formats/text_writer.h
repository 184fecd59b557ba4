// Within room formats: appends to a string without a call into the library for each piece. Rendering writes some 150 small pieces
// an event, and the calls cost more than the copying.
#pragma once
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "base/time.h"
#include "base/uuid.h"

namespace millrace::formats {

class TextWriter {
 public:
  // `room`: bytes that are there from the start; it grows beyond them.
  explicit TextWriter(std::size_t room) { make_room(room); }

  TextWriter& append(std::string_view piece) {
    if (text_.size() - used_ < piece.size()) make_room(2 * text_.size() + piece.size());
    std::memcpy(text_.data() + used_, piece.data(), piece.size());
    used_ += piece.size();
    return *this;
  }
  TextWriter& operator+=(std::string_view piece) { return append(piece); }
  TextWriter& operator+=(char c) { return append({&c, 1}); }

  std::size_t size() const { return used_; }
  void cut(std::size_t size) { used_ = size; }      // back to what it was
  char& back() { return text_.data()[used_ - 1]; }  // of something that is not empty

  // "2026-11-21T19:05:12.123Z"; the years 0 to 9999.
  TextWriter& append_time(WallTime time);
  // "0193536e-5f00-7000-8000-000000000001"
  TextWriter& append_uuid(Uuid const& id);

  std::string take() && {
    text_.resize(used_);
    return std::move(text_);
  }

 private:
  void make_room(std::size_t room) {
    text_.resize_and_overwrite(room, [room](char*, std::size_t) { return room; });
  }
  std::string text_;  // its size is the room
  std::size_t used_ = 0;
};

}  // namespace millrace::formats
