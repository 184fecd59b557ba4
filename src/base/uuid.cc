#include "base/uuid.h"

namespace millrace {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Uuid Uuid::v7(WallTime time, std::uint64_t random_high, std::uint64_t random_low) {
  auto const ms = static_cast<std::uint64_t>(unix_ms(time));
  return {(ms << 16) | 0x7000U | (random_high & 0x0FFFU),
          (random_low & 0x3FFF'FFFF'FFFF'FFFFU) | 0x8000'0000'0000'0000U};
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid id;
  int digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    int const digit = digit_of(text[i]);
    if (digit < 0) return std::nullopt;
    auto& half = digits < 16 ? id.high : id.low;
    half = (half << 4) | static_cast<unsigned>(digit);
    ++digits;
  }
  return id;
}

std::string Uuid::text() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out += '-';
    auto const half = i < 16 ? high : low;
    out += digits[(half >> (60 - 4 * (i % 16))) & 0xF];
  }
  return out;
}

WallTime Uuid::time() const { return from_unix_ms(static_cast<std::int64_t>(high >> 16)); }

}  // namespace millrace
