// Bytes as text: hexadecimal, Base64 and Base64url. Strict: what is not canonical is refused.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

std::span<std::byte const> as_bytes(std::string_view text);
std::string_view as_text(std::span<std::byte const> bytes);

std::string hex(std::string_view bytes);  // lower case
// Either case. nullopt: an odd number of digits, or what is none.
std::optional<std::string> unhex(std::string_view text);

std::string base64(std::string_view bytes);     // RFC 4648 section 4, padded
std::string base64url(std::string_view bytes);  // section 5, not padded
// Appends the decoded bytes to `out`; false, with `out` as it was, when `text` is not Base64 with its padding.
bool append_base64(std::string_view text, std::string& out);
// nullopt: not of the alphabet, or not the right padding.
std::optional<std::string> unbase64(std::string_view text);
std::optional<std::string> unbase64url(std::string_view text);  // padding is refused

// CRC-32C (Castagnoli), as in RFC 3720; `seed` is the checksum of what came before.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace millrace
