// Secrets at rest: libsodium's secretbox under one master key. What is sealed can be opened only with the same key and purpose.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace millrace::crypto {

class Sealer {
 public:
  // `master_key`: 32 bytes.
  static Result<Sealer> make(std::string_view master_key);
  // `nonce_bytes`: 24 random bytes, never used twice. `purpose` binds the box to its place ("signing_keys/2026-…").
  std::string seal(std::string_view plain, std::string_view purpose,
                   std::string_view nonce_bytes) const;
  // Fails with: corrupt (another key, another purpose, changed bytes).
  Result<std::string> open(std::string_view sealed, std::string_view purpose) const;
  // 8 bytes that tell one master key from another without telling it; in hex.
  std::string fingerprint() const;

 private:
  explicit Sealer(std::string key) : key_(std::move(key)) {}
  std::string key_;
};

}  // namespace millrace::crypto
