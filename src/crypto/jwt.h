// Compact JWS with RS256, as deliveries carry it, and the JWKS that verifies it. Pure; any thread.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/key_ring.h"
#include "crypto/rsa.h"

namespace millrace::crypto {

// `claims`: a JSON object's text; it is signed as it stands. Header: {"alg":"RS256","typ":"JWT","kid":kid}.
std::string sign_jwt(std::string_view claims, std::string_view kid, SigningKey const& key);

struct Jwk {
  std::string kid;
  PublicKey key;        // of one that cannot be used: none
  std::string trouble;  // why it cannot be used, for people; empty: it can
};

// Reads {"keys":[…]}, at most 128 KiB and 100 keys; entries that are not RSA signing keys with a kid are left out.
// Fails with: invalid.
Result<std::vector<Jwk>> parse_jwks(std::string_view json);

struct VerifiedJwt {
  std::string header;  // JSON text
  std::string claims;  // JSON text, byte for byte as it was signed
  std::string kid;
};

// Takes a compact JWT, raw or in double quotes, with white space around. alg must be RS256 and kid one of `keys`.
// Fails with: invalid (not such a JWT), missing (unknown kid; the message names it), denied (wrong signature, or the key
// of this kid cannot be used).
Result<VerifiedJwt> verify_jwt(std::string_view text, std::vector<Jwk> const& keys);

}  // namespace millrace::crypto
