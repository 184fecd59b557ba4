#include "json/write.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>

namespace millrace::json {
namespace {

// 0: stands for itself; 'u': \u00XX; 1: a byte of a longer UTF-8 sequence; else the letter after the backslash.
constexpr auto escapes = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) table[i] = 'u';
  for (std::size_t i = 0x80; i < 0x100; ++i) table[i] = 1;
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table[0x7F] = 'u';
  return table;
}();

// Bytes of the UTF-8 sequence at the front of `text` (Unicode 15, table 3-7); 0: it is none.
std::size_t sequence_bytes(std::string_view text) {
  auto const at = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  auto const follows = [&](std::size_t i) { return (at(i) & 0xC0) == 0x80; };
  auto const a = at(0), b = at(1);
  if (a >= 0xC2 && a <= 0xDF) return follows(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    bool const second = follows(1) && (a != 0xE0 || b >= 0xA0) && (a != 0xED || b <= 0x9F);
    return second && follows(2) ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    bool const second = follows(1) && (a != 0xF0 || b >= 0x90) && (a != 0xF4 || b <= 0x8F);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // where the bytes begin that were not copied yet
  for (std::size_t i = 0; i < text.size();) {
    auto const byte = static_cast<unsigned char>(text[i]);
    char const escape = escapes[byte];
    if (escape == 0) [[likely]] {
      ++i;
      continue;
    }
    if (escape == 1) {
      if (auto const bytes = sequence_bytes(text.substr(i)); bytes != 0) {
        i += bytes;
        continue;
      }
    }
    out.append(text, plain, i - plain);
    plain = ++i;
    if (escape == 1) {
      out += "\xEF\xBF\xBD";
    } else if (escape == 'u') {
      constexpr std::string_view digits = "0123456789abcdef";
      out += {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    } else {
      out += {'\\', escape};
    }
  }
  out.append(text, plain);
  out += '"';
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_string(out, text);
  return out;
}

void Writer::comma() {
  if (!first_) out_ += ',';
  first_ = false;
}

Writer& Writer::open(char bracket) {
  comma();
  out_ += bracket;
  first_ = true;
  return *this;
}

Writer& Writer::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  comma();
  append_string(out_, name);
  out_ += ':';
  first_ = true;
  return *this;
}

Writer& Writer::text(std::string_view value) {
  comma();
  append_string(out_, value);
  return *this;
}

Writer& Writer::number(std::int64_t value) {
  comma();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

Writer& Writer::number(std::uint64_t value) {
  comma();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

Writer& Writer::real(double value) {
  if (!std::isfinite(value)) return null();
  comma();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  comma();
  out_ += json;
  return *this;
}

}  // namespace millrace::json
