#include "json/document.h"

#include <fmt/format.h>

#include <cstring>

namespace millrace::json {
namespace {

std::uint32_t hex4(std::string_view digits) {
  std::uint32_t value = 0;
  for (char const c : digits)
    value = value * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  return value;
}

// simdjson 3.0 lets some halves of surrogate pairs through; in a valid text a backslash stands only inside strings.
std::size_t lone_surrogate(std::string_view text) {
  for (auto at = text.find('\\'); at != text.npos; at = text.find('\\', at)) {
    if (text[at + 1] != 'u') {
      at += 2;
      continue;
    }
    auto const unit = hex4(text.substr(at + 2, 4));
    if (unit < 0xD800 || unit > 0xDFFF) {
      at += 6;
      continue;
    }
    bool const paired = unit < 0xDC00 && text.substr(at + 6, 2) == "\\u" &&
                        (hex4(text.substr(at + 8, 4)) & 0xFC00) == 0xDC00;
    if (!paired) return at;
    at += 12;
  }
  return text.npos;
}

// RFC 8259 section 6.
bool is_number(std::string_view s) {
  std::size_t i = 0;
  auto const digits = [&] {
    auto const from = i;
    while (i < s.size() && s[i] >= '0' && s[i] <= '9') ++i;
    return i > from;
  };
  if (i < s.size() && s[i] == '-') ++i;
  if (i < s.size() && s[i] == '0') {
    ++i;
  } else if (!digits()) {
    return false;
  }
  if (i < s.size() && s[i] == '.' && (++i, !digits())) return false;
  if (i < s.size() && (s[i] | 0x20) == 'e') {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == s.size();
}

std::unexpected<Error> refusal(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return fail(Fault::invalid, "is not UTF-8");
    case simdjson::EMPTY:
      return fail(Fault::invalid, "is empty");
    case simdjson::UNCLOSED_STRING:
      return fail(Fault::invalid, "is not JSON: a string has no end");
    case simdjson::UNESCAPED_CHARS:
      return fail(Fault::invalid,
                  "is not JSON: a string holds a control character that is not escaped");
    case simdjson::STRING_ERROR:
      return fail(Fault::invalid,
                  "is not JSON: a string has a wrong escape or half a surrogate pair");
    case simdjson::NUMBER_ERROR:
      return fail(Fault::invalid, "is not JSON: a number is malformed");
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return fail(Fault::invalid, "is not JSON: a word is neither true, false nor null");
    default:
      return fail(Fault::invalid, "is not JSON: its brackets, commas or colons are not in order");
  }
}

}  // namespace

Result<void> Document::read_any_depth(std::string_view text, Limits limits) {
  text_ = {};
  tokens_ = 0;
  if (text.size() > limits.bytes)
    return fail(Fault::invalid,
                fmt::format("has {} bytes, more than {}", text.size(), limits.bytes));
  // simdjson's own limit is above ours, so that it is told apart from a text that is not JSON; its stack is small.
  constexpr std::size_t parser_depth = 1024;
  if (parser_.max_depth() != parser_depth || parser_.implementation == nullptr) {
    if (parser_.allocate(64 * 1024, parser_depth) != simdjson::SUCCESS)
      return fail(Fault::busy, "no memory for reading JSON");
  }
  auto code = parser_.parse(text.data(), text.size()).error();
  text_ = text;
  places_ = parser_.implementation->structural_indexes.get();
  tokens_ = parser_.implementation->n_structural_indexes;
  if (code == simdjson::DEPTH_ERROR)
    return fail(Fault::invalid, fmt::format("is nested deeper than {}", limits.depth));
  if (code == simdjson::MEMALLOC) return fail(Fault::busy, "no memory for reading JSON");
  if (code == simdjson::NUMBER_ERROR) {
    if (auto good = with_large_numbers(text, limits); !good) return good;
  } else if (code != simdjson::SUCCESS) {
    return refusal(code);
  }
  has_escapes_ = std::memchr(text.data(), '\\', text.size()) != nullptr;
  if (auto const at = has_escapes_ ? lone_surrogate(text) : text.npos; at != text.npos)
    return fail(Fault::invalid, fmt::format("has half a surrogate pair at byte {}", at));
  return {};
}

// simdjson refuses numbers that no 64-bit type holds, which are valid all the same. Each is replaced, in a copy with the same
// places, by one that it takes.
Result<void> Document::with_large_numbers(std::string_view text, Limits) {
  copy_.assign(text);
  for (std::uint32_t i = 0; i < tokens_; ++i) {
    char const c = at(i);
    if (c != '-' && (c < '0' || c > '9')) continue;
    auto const begin = places_[i];
    std::size_t const end =
        std::min<std::size_t>(text.find_first_of(",]} \t\r\n", begin), text.size());
    auto const number = text.substr(begin, end - begin);
    if (!is_number(number)) return refusal(simdjson::NUMBER_ERROR);
    copy_.replace(begin, number.size(), "1" + std::string(number.size() - 1, ' '));
  }
  auto const code = parser_.parse(copy_).error();
  if (copy_.capacity() > 64 * 1024) std::string().swap(copy_);
  places_ = parser_.implementation->structural_indexes.get();
  tokens_ = parser_.implementation->n_structural_indexes;
  if (code != simdjson::SUCCESS) return refusal(code);
  return {};
}

Result<void> Document::read(std::string_view text, Limits limits) {
  if (auto good = read_any_depth(text, limits); !good) return good;
  std::size_t depth = 0, deepest = 0;
  for (std::uint32_t i = 0; i < tokens_; ++i) {
    char const folded = static_cast<char>(at(i) | 0x20);
    depth += folded == '{' ? 1U : 0U;
    depth -= folded == '}' ? 1U : 0U;
    deepest = std::max(deepest, depth);
  }
  if (deepest > limits.depth)
    return fail(Fault::invalid, fmt::format("is nested deeper than {}", limits.depth));
  return {};
}

}  // namespace millrace::json
