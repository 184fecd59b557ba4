// Compact JWS with RS256, as deliveries carry it, and the JWKS that verifies it. Pure; any thread.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/key_ring.h"
#include "crypto/rsa.h"
#include "json/strict.h"

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
  std::string claims;  // byte for byte as they were signed
  std::string kid;
};

// Verifies many JWTs: what is known of the keys and of the latest header, which most senders repeat, is kept.
//   Threads  One at a time.
class JwtVerifier {
 public:
  // As verify_jwt(), but `claims` may be anything that was signed: whoever reads them finds out. `keys` is not null; another
  // pointer than at the call before is another set of keys.
  Result<VerifiedJwt> verify(std::string_view text, std::shared_ptr<std::vector<Jwk> const> keys);

 private:
  Result<std::string> kid_of(std::string_view header);

  json::Parser parser_;
  std::string header_, kid_;  // the latest that was good
  std::shared_ptr<std::vector<Jwk> const> keys_;
  std::vector<std::optional<Rs256Verifier>> verifiers_;  // of keys_, each made when it is needed
};

// Takes a compact JWT whose claims are a JSON object, raw or in double quotes, with white space around. alg must be RS256 and kid one of `keys`.
// Fails with: invalid (not such a JWT), missing (unknown kid; the message names it), denied (wrong signature, or the key
// of this kid cannot be used).
Result<VerifiedJwt> verify_jwt(std::string_view text, std::vector<Jwk> const& keys);

}  // namespace millrace::crypto
