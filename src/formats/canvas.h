// The bodies that receivers read, from a stored event. Pure; the same bytes at every call (DESIGN 2.2).
#pragma once
#include <string>
#include <string_view>

#include "base/time.h"
#include "base/uuid.h"
#include "model/event_block.h"

namespace millrace::formats {

// The unsigned Canvas form: the stored payload itself.
inline std::string_view canvas(model::EventView const& event) { return event.payload; }

// The claims of a signed delivery: the event's own top-level keys, then iss, iat (seconds, of acceptance) and jti (event id).
// `event_json`: an object with at least one member, and none of iss, iat, jti.
std::string claims(std::string_view event_json, std::string_view issuer, WallTime accepted_at,
                   EventId event);

}  // namespace millrace::formats
