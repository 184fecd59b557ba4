#include "receive/admission.h"

#include <utility>

#include "http_server/client_address.h"
#include "http_server/places.h"

namespace millrace::receive {

http::server::ServerLimits server_limits(std::vector<http::AddressRange> trusted_proxies) {
  http::server::ServerLimits limits;
  limits.body_bytes = 4 * 1024 * 1024;
  limits.bodies_in_memory = 128 * 1024 * 1024;
  limits.trusted_proxies = std::move(trusted_proxies);
  return limits;
}

http::server::Admission admit_by_address(http::server::ServerLimits const& limits) {
  return [proxies = limits.trusted_proxies,
          whole = limits.bodies_in_memory](http::ServerRequest const& request) {
    auto const client = http::server::client_key(http::server::client_address(request, proxies));
    return http::server::BodyShare{.name = client.to_string(),
                                   .kind = "address",
                                   .bytes = whole / 2,
                                   .bodies = 256,
                                   .patience = std::chrono::seconds(15)};
  };
}

}  // namespace millrace::receive
