#include "server/wiring.h"

#include "transports/https.h"

namespace millrace::server {

std::shared_ptr<delivery::Transports> make_transports(http::Client& client, io::Clock& clock) {
  return transports::make_transports(client, clock);
}

}  // namespace millrace::server
