// The limits of a receiver's server. Nobody is known before the body: each address has a share of the memory for bodies, and all together
// have the whole (http/server.h: BodyShare).
#pragma once
#include <vector>

#include "http_server/server.h"

namespace millrace::receive {

// Bodies of 4 MiB (a signed event of 1 MiB is 1.4 MiB), 128 MiB of all together.
http::server::ServerLimits server_limits(std::vector<http::AddressRange> trusted_proxies);
// Half of the whole for an IPv4 address or an IPv6 /64, as client_address() tells it; a body waits for 15 s.
http::server::Admission admit_by_address(http::server::ServerLimits const& limits);

}  // namespace millrace::receive
