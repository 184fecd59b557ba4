#include "http/chunks.h"

#include <algorithm>

namespace millrace::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); }

}  // namespace

std::size_t ChunkReader::take(std::string_view bytes, std::string& body, std::size_t limit) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ == State::more) {
    if (part_ == Part::data) {
      auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
      if (body.size() < limit) body.append(bytes.substr(at, std::min(n, limit - body.size())));
      at += n;
      decoded_ += n;
      left_ -= n;
      if (left_ == 0) part_ = Part::data_cr;
      continue;
    }
    char const c = bytes[at++];
    if (++overhead_ > 16 * 1024 + 8 * decoded_) {
      state_ = State::bad;
      break;
    }
    bool good = true;
    switch (part_) {
      case Part::size:
        if (int const digit = hex_digit(c); digit >= 0) {
          good = ++digits_ <= 15;
          left_ = left_ * 16 + static_cast<unsigned>(digit);
        } else {
          good = digits_ > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
          part_ = c == '\r' ? Part::size_lf : Part::extension;
        }
        break;
      case Part::extension:
        if (c == '\r')
          part_ = Part::size_lf;
        else
          good = is_text(c);
        break;
      case Part::size_lf:
        good = c == '\n';
        part_ = left_ > 0 ? Part::data : Part::trailer_start;
        break;
      case Part::data:
        break;
      case Part::data_cr:
        good = c == '\r';
        part_ = Part::data_lf;
        break;
      case Part::data_lf:
        good = c == '\n';
        part_ = Part::size;
        digits_ = 0;
        break;
      case Part::trailer_start:
        part_ = c == '\r' ? Part::last_lf : Part::trailer;
        good = c == '\r' || is_text(c);
        break;
      case Part::trailer:
        if (c == '\r')
          part_ = Part::trailer_lf;
        else
          good = is_text(c);
        break;
      case Part::trailer_lf:
        good = c == '\n';
        part_ = Part::trailer_start;
        break;
      case Part::last_lf:
        good = c == '\n';
        if (good) state_ = State::done;
        break;
    }
    if (!good) state_ = State::bad;
  }
  return at;
}

}  // namespace millrace::http
