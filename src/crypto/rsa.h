// RSA-2048 keys and RS256. A SigningKey is immutable; sign() may be called from any thread.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace millrace::crypto {

class PublicKey {
 public:
  // From the JWK members n and e (base64url). Fails with: invalid.
  static Result<PublicKey> from_jwk(std::string_view n, std::string_view e);
  // Any thread. Whoever verifies much with one key makes an Rs256Verifier of it.
  bool verify_rs256(std::string_view signed_bytes, std::string_view signature) const;

 private:
  friend class Rs256Verifier;
  std::shared_ptr<void const> key_;  // EVP_PKEY
};

// One key, ready to verify: what OpenSSL prepares for a key, which costs as much as the signature itself, is prepared once.
//   Threads  One at a time.
class Rs256Verifier {
 public:
  explicit Rs256Verifier(PublicKey const& key);  // of from_jwk()
  // False: the signature is another key's, of other bytes, or none.
  bool verify(std::string_view signed_bytes, std::string_view signature);

 private:
  std::shared_ptr<void const> key_;
  std::shared_ptr<void> context_;  // EVP_PKEY_CTX
};

class SigningKey {
 public:
  static SigningKey generate();  // about 0.1 s of one core
  // What to_pem() gave. Fails with: invalid.
  static Result<SigningKey> from_pem(std::string_view pem);
  std::string to_pem() const;                            // PKCS#8, not encrypted: seal it
  std::string sign_rs256(std::string_view bytes) const;  // 256 raw bytes; about 0.35 ms
  std::string modulus() const;                           // JWK n, base64url
  std::string exponent() const;                          // JWK e, base64url

 private:
  std::shared_ptr<void> key_;
};

}  // namespace millrace::crypto
