#include "crypto/jwt.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "base/encoding.h"
#include "json/reader.h"
#include "json/strict.h"
#include "json/write.h"

namespace millrace::crypto {
namespace {

constexpr std::size_t max_jwt_bytes = 2 * 1024 * 1024;  // the largest event, its claims and Base64
constexpr std::size_t max_header_bytes = 8 * 1024;
constexpr std::size_t max_jwks_bytes = 128 * 1024;
constexpr std::size_t max_jwks_keys = 100;

std::unexpected<Error> not_a_jwt(std::string_view why) {
  return fail(Fault::invalid, fmt::format("JWT: {}", why));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  auto const first = text.find_first_not_of(space);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::string_view without_quotes(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = trimmed(text.substr(1, text.size() - 2));
  return text;
}

std::optional<Jwk> jwk_of(boost::json::value const& entry) {
  auto const* const object = entry.if_object();
  if (object == nullptr) return std::nullopt;
  auto const member = [object](std::string_view name) { return json::text_at(*object, name); };
  if (member("kty") != "RSA" || member("use").value_or("sig") != "sig" ||
      member("alg").value_or("RS256") != "RS256")
    return std::nullopt;
  auto const kid = member("kid"), n = member("n"), e = member("e");
  if (!kid || kid->empty() || !n || !e) return std::nullopt;
  auto key = PublicKey::from_jwk(*n, *e);
  if (!key) return Jwk{std::string(*kid), {}, key.error().what};
  return Jwk{std::string(*kid), std::move(*key), {}};
}

}  // namespace

std::string sign_jwt(std::string_view claims, std::string_view kid, SigningKey const& key) {
  std::string header = R"({"alg":"RS256","typ":"JWT","kid":)";
  json::append_string(header, kid);
  header += '}';
  auto token = base64url(header);
  token += '.';
  token += base64url(claims);
  auto const signature = key.sign_rs256(token);
  token += '.';
  token += base64url(signature);
  return token;
}

Result<std::vector<Jwk>> parse_jwks(std::string_view json) {
  auto const document = json::parse(json, {.bytes = max_jwks_bytes, .depth = 16});
  if (!document) return fail(Fault::invalid, "JWKS: " + document.error().what);
  auto const* const object = document->if_object();
  auto const* const member = object == nullptr ? nullptr : object->if_contains("keys");
  auto const* const entries = member == nullptr ? nullptr : member->if_array();
  if (entries == nullptr)
    return fail(Fault::invalid, "JWKS: is not an object with an array \"keys\"");
  if (entries->size() > max_jwks_keys)
    return fail(Fault::invalid,
                fmt::format("JWKS: has {} keys, more than {}", entries->size(), max_jwks_keys));
  std::vector<Jwk> keys;
  for (auto const& entry : *entries)
    if (auto key = jwk_of(entry)) keys.push_back(std::move(*key));
  return keys;
}

// The kid of a header that promises RS256 and asks for nothing that is not known here.
Result<std::string> JwtVerifier::kid_of(std::string_view header) {
  if (!kid_.empty() && header == header_) return kid_;
  auto const members = parser_.members(header, {.bytes = max_header_bytes, .depth = 8});
  if (!members) return not_a_jwt("header: " + members.error().what);
  std::optional<std::string> algorithm, kid;
  for (auto const& member : *members) {
    if (member.key == "alg") algorithm = json::unquoted(member.value);
    if (member.key == "kid") kid = json::unquoted(member.value);
    if (member.key == "crit")
      return not_a_jwt("header: demands extensions that are not known here (crit)");
  }
  if (!algorithm || *algorithm != "RS256") return not_a_jwt("header: alg is not RS256");
  if (!kid || kid->empty() || kid->size() > 255)
    return not_a_jwt("header: has no kid of 1 to 255 bytes");
  header_ = header;
  kid_ = *kid;
  return *kid;
}

Result<VerifiedJwt> JwtVerifier::verify(std::string_view text,
                                        std::shared_ptr<std::vector<Jwk> const> keys) {
  if (text.size() > max_jwt_bytes) return not_a_jwt("is longer than 2 MiB");
  auto const token = without_quotes(text);
  auto const first = token.find('.');
  auto const second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos)
    return not_a_jwt("is not three parts with dots between them");
  auto const header_text = token.substr(0, first);
  if (header_text.size() > max_header_bytes) return not_a_jwt("header is too long");

  auto header = unbase64url(header_text);
  if (!header) return not_a_jwt("header is not base64url");
  auto kid = kid_of(*header);
  if (!kid) return pass(kid);
  auto claims = unbase64url(token.substr(first + 1, second - first - 1));
  if (!claims) return not_a_jwt("claims are not base64url");
  auto const signature = unbase64url(token.substr(second + 1));
  if (!signature) return not_a_jwt("signature is not base64url");

  if (keys != keys_) {
    keys_ = std::move(keys);
    verifiers_.assign(keys_->size(), std::nullopt);
  }
  bool known = false;
  std::string_view trouble;
  for (std::size_t i = 0; i < keys_->size(); ++i) {
    auto const& key = (*keys_)[i];
    if (key.kid != *kid) continue;
    known = true;
    if (!key.trouble.empty()) {
      trouble = key.trouble;
      continue;
    }
    if (!verifiers_[i]) verifiers_[i].emplace(key.key);
    if (verifiers_[i]->verify(token.substr(0, second), *signature))
      return VerifiedJwt{std::move(*header), std::move(*claims), std::move(*kid)};
  }
  if (!known)
    return fail(Fault::missing, fmt::format("JWT: no key has the kid {}", json::quote(*kid)));
  if (!trouble.empty())
    return fail(Fault::denied, fmt::format("JWT: the key {} of the JWKS cannot be used: {}",
                                           json::quote(*kid), trouble));
  return fail(Fault::denied,
              fmt::format("JWT: the signature is not one of the key {}", json::quote(*kid)));
}

Result<VerifiedJwt> verify_jwt(std::string_view text, std::vector<Jwk> const& keys) {
  JwtVerifier verifier;
  auto verified = verifier.verify(text, std::make_shared<std::vector<Jwk> const>(keys));
  if (!verified) return verified;
  json::Parser parser;
  auto const object = parser.members(verified->claims, {.bytes = max_jwt_bytes, .depth = 65});
  if (!object) return not_a_jwt("claims: " + object.error().what);
  return verified;
}

}  // namespace millrace::crypto
