// The members of a JSON object that is known to be valid (a stored event), raw and without copies.
#pragma once
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <string_view>

namespace millrace::json {

// The position after the string that begins at text[at] == '"'.
inline std::size_t after_string(std::string_view text, std::size_t at) {
  ++at;
#ifdef __SSE2__
  auto const quote = _mm_set1_epi8('"');
  auto const backslash = _mm_set1_epi8('\\');
  while (at + 16 <= text.size()) {
    auto const some = _mm_loadu_si128(reinterpret_cast<__m128i const*>(text.data() + at));
    auto const found = static_cast<unsigned>(_mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(some, quote), _mm_cmpeq_epi8(some, backslash))));
    if (found == 0) {
      at += 16;
      continue;
    }
    at += static_cast<std::size_t>(std::countr_zero(found));
    if (text[at] == '"') return at + 1;
    at += 2;
  }
#endif
  for (; text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The position after the value that begins at text[at].
inline std::size_t after_value(std::string_view text, std::size_t at) {
  char const first = text[at];
  if (first == '"') return after_string(text, at);
  if (first == '{' || first == '[') {
    std::size_t depth = 0;
    for (;;) {
      char const c = text[at];
      if (c == '"') {
        at = after_string(text, at);
        continue;
      }
      ++at;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return at;
    }
  }
  while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']' &&
         !is_space(text[at]))
    ++at;
  return at;
}

// Calls take(key, value) for each member: the key without its quotes but still escaped, the value raw.
template <class Take>
void each_member(std::string_view object, Take take) {
  std::size_t at = 1;
  for (;;) {
    while (is_space(object[at]) || object[at] == ',') ++at;
    if (object[at] == '}') return;
    auto const key_end = after_string(object, at);
    auto const key = object.substr(at + 1, key_end - at - 2);
    at = key_end;
    while (is_space(object[at]) || object[at] == ':') ++at;
    auto const end = after_value(object, at);
    take(key, object.substr(at, end - at));
    at = end;
  }
}

}  // namespace millrace::json
