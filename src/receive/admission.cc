#include "receive/admission.h"

#include <utility>

#include "http/client_address.h"
#include "http/places.h"

namespace millrace::receive {

http::ServerLimits server_limits(std::vector<http::AddressRange> trusted_proxies) {
  http::ServerLimits limits;
  limits.body_bytes = 4 * 1024 * 1024;
  limits.bodies_in_memory = 128 * 1024 * 1024;
  limits.trusted_proxies = std::move(trusted_proxies);
  return limits;
}

http::Admission admit_by_address(http::ServerLimits const& limits) {
  return [proxies = limits.trusted_proxies,
          whole = limits.bodies_in_memory](http::ServerRequest const& request) {
    auto const client = http::client_key(http::client_address(request, proxies));
    return http::BodyShare{.name = client.to_string(),
                           .kind = "address",
                           .bytes = whole / 2,
                           .bodies = 256,
                           .patience = std::chrono::seconds(15)};
  };
}

}  // namespace millrace::receive
