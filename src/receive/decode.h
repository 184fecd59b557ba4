// What a delivery carries, taken apart: the event as it will be stored, and what transport put beside it. Pure; nothing that is
// answered borrows from the parser.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "json/strict.h"

namespace millrace::receive {

struct Decoded {
  std::string event;       // a JSON object: the event's own members, each value byte for byte
  std::string name;        // metadata.event_name; empty: it has none
  std::string event_time;  // metadata.event_time, or a Caliper event's; empty: it has none
  std::optional<std::string> issuer, id, replay;        // claims iss, jti, replay
  std::optional<WallTime> issued, expires, not_before;  // claims iat, exp, nbf
};

// `claims`: of a verified JWT. The registered claims (RFC 7519 section 4.1), and `replay`, are taken out of the event.
// Fails with: invalid (not a JSON object, nothing but registered claims, a claim of a wrong type).
Result<Decoded> decode_claims(json::Parser& parser, std::string_view claims);
// `json`: an unsigned event; it is stored as it stands. Fails with: invalid.
Result<Decoded> decode_event(json::Parser& parser, std::string_view json);

}  // namespace millrace::receive
