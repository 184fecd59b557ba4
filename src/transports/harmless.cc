#include "transports/harmless.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace millrace::transports {
namespace {

constexpr std::size_t header_bytes = 16 * 1024;
constexpr std::size_t body_bytes = 64 * 1024;
constexpr std::size_t shortest_secret = 4;
constexpr std::string_view removed = "[removed]";

// How many bytes the UTF-8 character at the front has; 0: it is none, or a control character (C1 ones included), or one of those that
// turn the direction of text.
std::size_t plain_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  unsigned const first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  if (first >= 0xC2 && first <= 0xDF)
    return follows(1) && !(first == 0xC2 && byte(1) < 0xA0) ? 2 : 0;
  if ((first & 0xF0) == 0xE0) {
    if (!follows(1) || !follows(2)) return 0;
    unsigned const code = (first & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
    bool const turns = (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                       (code >= 0x2066 && code <= 0x2069);
    return code >= 0x800 && !(code >= 0xD800 && code <= 0xDFFF) && !turns ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    unsigned const code = (first & 0x07U) << 18 | (byte(1) & 0x3FU) << 12 | (byte(2) & 0x3FU) << 6 |
                          (byte(3) & 0x3FU);
    return code >= 0x10000 && code <= 0x10FFFF ? 4 : 0;
  }
  return 0;
}

// Appends up to `limit` bytes in all; never half a character or half an escape.
void append_harmless(std::string& out, std::string_view text, bool keep_lines, std::size_t limit) {
  while (!text.empty()) {
    char const c = text.front();
    std::size_t const plain = keep_lines && (c == '\n' || c == '\t') ? 1 : plain_length(text);
    if (plain > 0) {
      if (out.size() + plain > limit) return;
      out.append(text.substr(0, plain));
      text.remove_prefix(plain);
      continue;
    }
    auto const byte = static_cast<unsigned char>(c);
    if (out.size() + 6 > limit) return;
    fmt::format_to(std::back_inserter(out), fmt::runtime(byte < 0x80 ? "\\u{:04x}" : "\\x{:02x}"),
                   byte);
    text.remove_prefix(1);
  }
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= 0x20 && c < 0x7F) || c == '\n'; });
}

bool same_name(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

bool is_secret_header(std::string_view name) {
  static constexpr std::string_view names[] = {
      "set-cookie",          "set-cookie2",         "cookie",   "authorization",
      "proxy-authorization", "authentication-info", "x-api-key"};
  return std::ranges::any_of(names, [&](auto one) { return same_name(name, one); });
}

}  // namespace

Harmless::Harmless(std::vector<std::string> secrets) {
  for (auto& secret : secrets) {
    // "Bearer abc": an endpoint may echo the token alone.
    if (auto const space = secret.rfind(' '); space != std::string::npos) {
      auto token = secret.substr(space + 1);
      if (token.size() >= shortest_secret) secrets_.push_back(std::move(token));
    }
    if (secret.size() >= shortest_secret) secrets_.push_back(std::move(secret));
  }
  std::ranges::sort(secrets_, std::greater(), &std::string::size);
}

std::string Harmless::scrubbed(std::string text, bool cut) const {
  for (auto const& secret : secrets_) {
    for (auto at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + removed.size()))
      text.replace(at, secret.size(), removed);
  }
  if (!cut) return text;
  for (auto const& secret : secrets_) {
    for (std::size_t n = std::min(secret.size() - 1, text.size()); n >= shortest_secret; --n) {
      if (!text.ends_with(std::string_view(secret).substr(0, n))) continue;
      text.replace(text.size() - n, n, removed);
      return text;
    }
  }
  return text;
}

std::string Harmless::headers(std::vector<http::Header> const& headers) const {
  std::string out;
  for (auto const& [name, value] : headers) {
    auto const before = out.size();
    append_harmless(out, name, false, header_bytes);
    out += ": ";
    if (is_secret_header(name)) {
      out += removed;
    } else if (secrets_.empty() && is_plain(value) && !value.contains('\n')) {
      out += value;
    } else {
      append_harmless(out, scrubbed(value, false), false, header_bytes);
    }
    out += '\n';
    if (out.size() > header_bytes) {
      out.resize(before);
      break;
    }
  }
  return out;
}

std::string Harmless::body(std::string body, bool cut) const {
  if (body.size() > body_bytes) {
    body.resize(body_bytes);
    cut = true;
  }
  auto text = secrets_.empty() ? std::move(body) : scrubbed(std::move(body), cut);
  if (is_plain(text) && text.size() <= body_bytes) return text;
  std::string out;
  out.reserve(text.size());
  append_harmless(out, text, true, body_bytes);
  return out;
}

std::string one_line(std::string_view text) {
  std::string out;
  append_harmless(out, text, false, 500);
  return out;
}

}  // namespace millrace::transports
