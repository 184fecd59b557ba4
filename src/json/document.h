// Within room json: a validated text as a row of tokens.
#pragma once
#include <simdjson.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"
#include "json/strict.h"

namespace millrace::json {

// simdjson's first stage leaves the places of all tokens ({ } [ ] : , and the first byte of each string, number, true, false,
// null); its second proves the text valid. Walking the places again gives raw slices at a fraction of a second parse.
class Document {
 public:
  // Validates all of it. Fails with: invalid.
  Result<void> read(std::string_view text, Limits limits);
  // The same but for the depth, which the caller counts while it walks. Fails with: invalid.
  Result<void> read_any_depth(std::string_view text, Limits limits);

  std::string_view text() const { return text_; }
  std::uint32_t tokens() const { return tokens_; }
  // False: no string in the text has an escape, so that each stands for its own bytes.
  bool has_escapes() const { return has_escapes_; }
  // The string at `token` is `wanted`, byte for byte. (Its closing quote is part of the comparison.)
  bool is_plain(std::uint32_t token, std::string_view wanted) const {
    std::size_t const begin = places_[token] + 1;
    return text_.size() - begin > wanted.size() && text_[begin + wanted.size()] == '"' &&
           std::memcmp(text_.data() + begin, wanted.data(), wanted.size()) == 0;
  }
  // The first byte of the string at `token` is `a` or `b`.
  bool may_be(std::uint32_t token, char a, char b) const {
    char const first = text_[places_[token] + 1];
    return first == a || first == b;
  }
  char at(std::uint32_t token) const { return text_[places_[token]]; }
  // The token after the value that begins at `token`.
  std::uint32_t after(std::uint32_t token) const {
    if (!is_open(at(token))) return token + 1;
    std::uint32_t depth = 0;
    do {
      char const folded = static_cast<char>(
          at(token) | 0x20);  // '[' and '{' differ in this bit only, ']' and '}' too
      depth += folded == '{' ? 1U : 0U;
      depth -= folded == '}' ? 1U : 0U;
      ++token;
    } while (depth != 0);
    return token;
  }
  // The bytes of the value at `token`; `next` is after(token).
  std::string_view raw(std::uint32_t token, std::uint32_t next) const {
    auto const begin = places_[token];
    if (is_open(at(token))) return text_.substr(begin, places_[next - 1] + 1 - begin);
    std::size_t end = next < tokens_ ? places_[next] : text_.size();
    while (is_space(text_[end - 1])) --end;
    return text_.substr(begin, end - begin);
  }

 private:
  static bool is_open(char c) { return c == '{' || c == '['; }
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  Result<void> with_large_numbers(std::string_view text, Limits limits);

  simdjson::dom::parser parser_;
  std::string_view text_;
  std::string copy_;
  std::uint32_t const* places_ = nullptr;
  std::uint32_t tokens_ = 0;
  bool has_escapes_ = false;
};

}  // namespace millrace::json
