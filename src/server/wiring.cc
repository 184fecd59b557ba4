#include "server/wiring.h"

#include "transports/https.h"

namespace millrace::server {

std::shared_ptr<delivery::Transports> make_transports(
    http::client::Client& client, io::Clock& clock, std::shared_ptr<http::TlsClient const> trust) {
  return transports::make_transports(client, clock, std::move(trust));
}

}  // namespace millrace::server
