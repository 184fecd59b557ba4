#include "server/admission.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/sigv4.h"

namespace millrace::server {
namespace {

constexpr std::size_t strangers_bytes = 32 * 1024 * 1024;
constexpr std::size_t strangers_bodies = 64, known_bodies = 512;
constexpr Duration patience = std::chrono::seconds(15);  // longer than a body may stand still
constexpr Duration skew = std::chrono::minutes(5);
constexpr std::string_view bearer = "Bearer ", credential = "Credential=";

// The access key id that a signature names; empty: it is none.
std::string_view key_id(std::string_view authorization) {
  if (!authorization.starts_with("AWS4-HMAC-SHA256")) return {};
  auto const at = authorization.find(credential);
  if (at == authorization.npos) return {};
  auto const id = authorization.substr(at + credential.size());
  return id.substr(0, id.find('/'));
}

bool is_recent(http::ServerRequest const& request, WallTime now) {
  auto const stamp = request.header("x-amz-date");
  return stamp && *stamp >= crypto::amz_stamp(now - skew) &&
         *stamp <= crypto::amz_stamp(now + skew);
}

class ByCredentials {
 public:
  ByCredentials(model::Credentials const& credentials, io::Clock const& clock, std::size_t whole,
                bool any_signature)
      : credentials_(credentials), clock_(clock), whole_(whole), any_signature_(any_signature) {}

  http::server::BodyShare operator()(http::ServerRequest const& request) const {
    std::string_view const shown = request.header("Authorization").value_or("");
    if (shown.starts_with(bearer)) {
      if (auto const who = credentials_.token(shown.substr(bearer.size())))
        return known("token", who->id);
    } else if (auto const id = key_id(shown); !id.empty()) {
      if (any_signature_) return known("key", "any");
      if (is_recent(request, clock_.wall()) && credentials_.access_key(id))
        return known("key", std::string(id));
    }
    return {.name = "strangers",
            .kind = "stranger",
            .bytes = std::min(strangers_bytes, whole_ / 4),
            .bodies = strangers_bodies};
  }

 private:
  http::server::BodyShare known(std::string_view kind, std::string const& id) const {
    return {.name = std::string(kind) + " " + id,
            .kind = kind,
            .bytes = whole_ / 4,
            .bodies = known_bodies,
            .patience = patience};
  }

  model::Credentials const& credentials_;
  io::Clock const& clock_;
  std::size_t whole_;
  bool any_signature_;
};

}  // namespace

http::server::Admission admit_by_credentials(model::Credentials const& credentials,
                                             io::Clock const& clock, std::size_t whole,
                                             bool any_signature) {
  return ByCredentials(credentials, clock, whole, any_signature);
}

}  // namespace millrace::server
