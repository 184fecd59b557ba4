// What KPL sends: user records packed into one.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "crypto/digest.h"

namespace millrace::ingest::fixture {

inline std::string varint(std::size_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  return out += static_cast<char>(value);
}

inline std::string with_length(char tag, std::string_view bytes) {
  return tag + varint(bytes.size()) + std::string(bytes);
}

// The message as it lies in the frame, with a checksum that fits.
inline std::string framed(std::string_view message) {
  return "\xF3\x89\x9A\xC2" + std::string(message) + crypto::md5(message);
}

// `key`: the index of each record's partition key in a table of two.
inline std::string aggregated(std::vector<std::string> const& records, std::size_t key = 0) {
  std::string message = with_length('\x0A', "user 1") + with_length('\x0A', "user 2");
  for (auto const& record : records)
    message += with_length('\x1A', '\x08' + varint(key) + with_length('\x1A', record));
  return framed(message);
}

}  // namespace millrace::ingest::fixture
