#include "base/encoding.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif
#include <cstring>

namespace millrace {
namespace {

using Digits = std::array<char, 64>;
using Values = std::array<std::uint8_t, 256>;

constexpr Digits digits_with(char c62, char c63) {
  Digits d{};
  for (unsigned i = 0; i < 26; ++i) {
    d[i] = static_cast<char>('A' + i);
    d[26 + i] = static_cast<char>('a' + i);
  }
  for (unsigned i = 0; i < 10; ++i) d[52 + i] = static_cast<char>('0' + i);
  d[62] = c62;
  d[63] = c63;
  return d;
}
constexpr Values values_of(Digits const& digits) {
  Values v{};
  for (auto& x : v) x = 0xFF;
  for (std::uint8_t i = 0; i < 64; ++i) v[static_cast<unsigned char>(digits[i])] = i;
  return v;
}
constexpr Digits standard = digits_with('+', '/');
constexpr Digits url_safe = digits_with('-', '_');
constexpr Values standard_values = values_of(standard);
constexpr Values url_values = values_of(url_safe);

std::string encode(std::string_view in, Digits const& digits, bool padded) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  auto const at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(in[i]));
  };
  std::size_t i = 0;
  for (; i + 3 <= in.size(); i += 3) {
    auto const v = (at(i) << 16) | (at(i + 1) << 8) | at(i + 2);
    char const four[4] = {digits[v >> 18], digits[(v >> 12) & 63], digits[(v >> 6) & 63],
                          digits[v & 63]};
    out.append(four, 4);
  }
  if (auto const left = in.size() - i; left != 0) {
    auto const v = (at(i) << 16) | (left == 2 ? at(i + 1) << 8 : 0);
    out += digits[v >> 18];
    out += digits[(v >> 12) & 63];
    if (left == 2) out += digits[(v >> 6) & 63];
    if (padded) out.append(left == 2 ? 1 : 2, '=');
  }
  return out;
}

// `in` without padding. Refuses a lone last digit and stray low bits.
bool append_decoded(std::string_view in, Values const& values, std::string& out) {
  if (in.size() % 4 == 1) return false;
  auto const before = out.size();
  std::size_t const bytes = in.size() / 4 * 3 + (in.size() % 4 == 0 ? 0 : in.size() % 4 - 1);
  out.resize(before + bytes);
  char* to = out.data() + before;
  auto const at = [&](std::size_t i) { return values[static_cast<unsigned char>(in[i])]; };
  std::uint32_t seen = 0;  // any invalid digit sets a bit above 63
  std::size_t i = 0;
  for (; i + 4 <= in.size(); i += 4) {
    std::uint32_t const a = at(i), b = at(i + 1), c = at(i + 2), d = at(i + 3);
    seen |= a | b | c | d;
    std::uint32_t const v = (a << 18) | (b << 12) | (c << 6) | d;
    *to++ = static_cast<char>(v >> 16);
    *to++ = static_cast<char>(v >> 8);
    *to++ = static_cast<char>(v);
  }
  bool whole = true;
  if (auto const left = in.size() - i; left != 0) {
    std::uint32_t const a = at(i), b = at(i + 1), c = left == 3 ? at(i + 2) : 0;
    seen |= a | b | c;
    std::uint32_t const v = (a << 18) | (b << 12) | (c << 6);
    *to++ = static_cast<char>(v >> 16);
    if (left == 3) *to++ = static_cast<char>(v >> 8);
    whole = (v & (left == 3 ? 0xFFU : 0xFFFFU)) == 0;
  }
  if (whole && seen < 64) return true;
  out.resize(before);
  return false;
}

constexpr auto crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) ? (c >> 1) ^ 0x82F63B78U : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::uint32_t crc_by_table(std::string_view bytes, std::uint32_t crc) {
  for (char const c : bytes)
    crc = crc_table[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc_by_cpu(std::string_view bytes,
                                                           std::uint32_t crc) {
  std::uint64_t wide = crc;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; i < bytes.size(); ++i) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(bytes[i]));
  return narrow;
}
#endif

}  // namespace

std::span<std::byte const> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string_view as_text(std::span<std::byte const> bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char const c : bytes) {
    auto const byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  auto const value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int const a = value(text[i]), b = value(text[i + 1]);
    if (a < 0 || b < 0) return std::nullopt;
    out += static_cast<char>(a * 16 + b);
  }
  return out;
}

std::string base64(std::string_view bytes) { return encode(bytes, standard, true); }
std::string base64url(std::string_view bytes) { return encode(bytes, url_safe, false); }

bool append_base64(std::string_view text, std::string& out) {
  if (text.size() % 4 != 0) return false;
  if (text.ends_with("==")) {
    text.remove_suffix(2);
  } else if (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  return append_decoded(text, standard_values, out);
}

std::optional<std::string> unbase64(std::string_view text) {
  std::string out;
  return append_base64(text, out) ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::string> unbase64url(std::string_view text) {
  std::string out;
  return append_decoded(text, url_values, out) ? std::optional(std::move(out)) : std::nullopt;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc_by_cpu(bytes, ~seed);
#endif
  return ~crc_by_table(bytes, ~seed);
}

}  // namespace millrace
