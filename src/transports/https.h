// One POST an event to a webhook, as a delivery::Transport over an http::client::Client.
//   Success  The final status is 2xx and its header block was complete in time (DESIGN 7). The body never changes that.
//   Headers  User-Agent, Millrace-Event-Id, -Event-Type, -Stream-Id, -Attempt, on tests -Test, on replays -Replay-Id; then the
//            stream's own.
//   Threads  All of it belongs to the client's loop.
#pragma once
#include <memory>

#include "delivery/transport.h"
#include "http_client/client.h"
#include "io/clock.h"

namespace millrace::transports {

// `client` and `clock` outlive what is made. `trust`: what streams trust beside their own authorities; null: each of those reads
// the system's store, which takes long. make() answers null for a method that there is no transport for (SQS is not yet: #6).
std::shared_ptr<delivery::Transports> make_transports(
    http::client::Client& client, io::Clock& clock,
    std::shared_ptr<http::TlsClient const> trust = nullptr);

// What the answer of an attempt means; `headers` and `body` are still as they came. Pure.
delivery::Outcome outcome_of(http::client::Answer const& answer, WallTime now);

}  // namespace millrace::transports
