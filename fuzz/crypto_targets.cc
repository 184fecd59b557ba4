#include <algorithm>

#include "base/error.h"
#include "crypto/jwt.h"
#include "crypto/key_fixture.h"
#include "crypto/sigv4.h"
#include "json/strict.h"
#include "targets.h"

namespace millrace::fuzz {

void jwt(std::string_view input) {
  std::vector<crypto::Jwk> const keys{
      {std::string(crypto::fixture::kid),
       crypto::PublicKey::from_jwk(crypto::fixture::modulus, "AQAB").value(),
       {}}};
  auto const verified = crypto::verify_jwt(input, keys);
  if (!verified) return;
  // Nobody but the holder of the key makes a token that verifies, and the fuzzer does not hold it.
  check(verified->claims == crypto::fixture::claims, "only the signed claims verify");
  check(verified->kid == crypto::fixture::kid, "only the named key verifies");
}

void jwks(std::string_view input) {
  auto const keys = crypto::parse_jwks(input);
  if (!keys) return;
  check(keys->size() <= 100, "a document has at most 100 keys");
  for (auto const& key : *keys)
    check(!key.kid.empty() &&
              (!key.trouble.empty() || !key.key.verify_rs256("text", std::string(256, '\1'))),
          "a key verifies nothing by chance");
}

void sigv4(std::string_view input) {
  auto const line = [&input] {
    auto const end = std::min(input.find('\n'), input.size());
    auto const out = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return out;
  };
  auto const first = line();
  auto const space = std::min(first.find(' '), first.size());
  auto const target = first.substr(std::min(space + 1, first.size()));
  auto const mark = std::min(target.find('?'), target.size());
  crypto::AwsRequest request{first.substr(0, space),
                             target.substr(0, mark),
                             target.substr(std::min(mark + 1, target.size())),
                             {},
                             {}};
  for (auto header = line(); !header.empty() && request.headers.size() < 100; header = line()) {
    auto const colon = std::min(header.find(':'), header.size());
    request.headers.emplace_back(header.substr(0, colon),
                                 header.substr(std::min(colon + 1, header.size())));
  }
  request.body = input;
  auto const secret = [](std::string_view id) {
    return id == "AKID" ? std::optional<std::string>("secret") : std::nullopt;
  };
  static_cast<void>(crypto::verify_v4(request, secret, from_unix_ms(1'795'287'912'000)));
  for (auto const form :
       {crypto::PathForm::as_sent, crypto::PathForm::normalized, crypto::PathForm::once})
    static_cast<void>(crypto::canonical_request(request, {"host"}, "hash", form));

  // What we sign ourselves verifies, whatever the path, the query and the body are.
  std::erase_if(request.headers, [](auto const&) { return true; });
  request.headers.emplace_back("host", "h");
  auto const added = crypto::sign_v4(request, {"AKID", "secret", ""}, "r", "kinesis",
                                     from_unix_ms(1'795'287'912'000));
  for (auto const& [name, value] : added) request.headers.emplace_back(name, value);
  check(crypto::verify_v4(request, secret, from_unix_ms(1'795'287'912'000)).has_value(),
        "our own signature verifies");
}

}  // namespace millrace::fuzz
