// For tests: one signing key under any kid, and a JWKS that is served as a script says.
#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

#include "crypto/jwt.h"
#include "io/clock.h"
#include "receive/jwks_source.h"

namespace millrace::receive {

inline crypto::SigningKey const& test_key() {
  static crypto::SigningKey const key = crypto::SigningKey::generate();
  return key;
}

inline std::string jwks_of(std::vector<std::string> const& kids) {
  std::string text;
  for (auto const& kid : kids)
    text +=
        fmt::format(R"({}{{"kty":"RSA","use":"sig","alg":"RS256","kid":"{}","n":"{}","e":"{}"}})",
                    text.empty() ? "" : ",", kid, test_key().modulus(), test_key().exponent());
  return R"({"keys":[)" + text + "]}";
}

struct ScriptedJwks {
  io::Clock& clock;
  Result<std::string> text = jwks_of({"one"});
  Duration takes{};
  int fetches = 0;

  explicit ScriptedJwks(io::Clock& c) : clock(c) {}
  JwksSource::Fetch fetch() {
    return [this] { return serve(); };
  }

 private:
  io::Task<Result<std::string>> serve() {
    ++fetches;
    if (takes > Duration{}) co_await clock.sleep_for(takes);
    co_return text;
  }
};

}  // namespace millrace::receive
