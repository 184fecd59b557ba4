// The HTTP side of `millrace receive https`: POST an event, signed or not; the answer 200 means that it is safe.
//   POST anything   200 stored, or dropped as a repeat; 400 not an event; 401 signature, issuer or time of the JWT, with one reason;
//                   415 an encoded body; 503 keys or disk not available: the sender tries again
//   GET /healthz    200, or 503 with what is wrong
//   Threads         One loop.
#pragma once
#include <memory>
#include <string>

#include "base/log.h"
#include "http_server/server.h"
#include "io/clock.h"
#include "receive/decode.h"
#include "receive/event_store.h"
#include "receive/jwks_source.h"

namespace millrace::receive {

struct ReceiverSettings {
  std::string issuer =
      "https://live-events.canvas.instructure.com";  // what claim iss must be; empty: anything
  bool allow_unsigned = false;
  bool with_envelope = false;  // stores what transport added, beside the event
};

struct ReceiverParts {  // all outlive the Receiver
  EventStore& store;
  JwksSource* keys = nullptr;  // null: signed deliveries are refused
  io::Clock& clock;
  Log& log;
};

class Receiver {
 public:
  Receiver(ReceiverParts parts, ReceiverSettings settings)
      : parts_(parts), settings_(std::move(settings)) {}
  // 200 when the event is safe in the store (a repeat too), 4xx for what is refused, 503 for what may be sent again.
  io::Task<http::ServerResponse> handle(http::ServerRequest request);

 private:
  io::Task<http::ServerResponse> accept(http::ServerRequest request);
  io::Task<Result<crypto::VerifiedJwt>> verify(std::string_view body);
  std::string trouble_with(Decoded const& decoded) const;

  ReceiverParts parts_;
  ReceiverSettings settings_;
  crypto::JwtVerifier verifier_;
  json::Parser parser_;
};

}  // namespace millrace::receive
