// Digests and MACs over OpenSSL. Bytes in, raw bytes out (std::string as a byte string). Pure; any thread.
#pragma once
#include <string>
#include <string_view>

namespace millrace::crypto {

std::string sha256(std::string_view bytes);      // 32 bytes
std::string sha256_hex(std::string_view bytes);  // 64 characters
std::string md5(std::string_view bytes);         // 16 bytes; AWS's checksums only
std::string hmac_sha256(std::string_view key, std::string_view bytes);
bool same_secret(std::string_view a, std::string_view b);  // in constant time for equal lengths

}  // namespace millrace::crypto
