// Which transports this program has. To add one: a file in transports/, a line in wiring.cc, a story in tests/e2e/.
#pragma once
#include <memory>

#include "delivery/transport.h"
#include "http_client/client.h"
#include "io/clock.h"

namespace millrace::server {

// For one loop: `client` is that loop's. What is passed outlives the Transports. `trust`: of all streams.
std::shared_ptr<delivery::Transports> make_transports(http::client::Client& client,
                                                      io::Clock& clock,
                                                      std::shared_ptr<http::TlsClient const> trust);

}  // namespace millrace::server
