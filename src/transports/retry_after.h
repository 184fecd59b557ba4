// The Retry-After header of an endpoint that has too much to do.
#pragma once
#include <optional>
#include <string_view>

#include "base/time.h"

namespace millrace::transports {

// Reads seconds or an HTTP-date (each of RFC 9110's three forms). At most an hour, at least nothing: a time that is over asks for no
// wait. nullopt: it is neither.
std::optional<Duration> parse_retry_after(std::string_view value, WallTime now);

}  // namespace millrace::transports
