// One batch to a server, with the patience of a good client: what may work later is tried again with growing waits, under the same
// key, so that it is stored once; what never will is told.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "commands/client.h"
#include "commands/emit_source.h"
#include "crypto/sigv4.h"
#include "io/random.h"

namespace millrace::commands {

struct Refused {
  std::string where, why;
};

struct SendOutcome {
  std::size_t accepted = 0;
  std::size_t dead_letters = 0;  // of those; only Kinesis takes what is no event
  std::vector<Refused> refused;
};

class EmitSender {
 public:
  virtual ~EmitSender() = default;
  // How many events, and bytes of them, one batch may have.
  virtual std::size_t batch_events() const = 0;
  virtual std::size_t batch_bytes() const = 0;
  // Fails when no answer for the batch came within the tries, or the server refuses all of it.
  // Fails with: invalid, denied, busy, unreachable, io.
  virtual Result<SendOutcome> send(std::vector<EmitEvent> const& batch) = 0;
};

struct SendTo {
  http::Url url;      // its path is where requests go
  std::string shown;  // the URL as the user gave it
  HttpDesk& desk;     // outlives the sender, as does
  io::Random& random;
};

// NDJSON to POST /api/v1/events.
std::unique_ptr<EmitSender> json_sender(SendTo to, std::string token);
// Kinesis PutRecords, signed.
std::unique_ptr<EmitSender> kinesis_sender(SendTo to, crypto::AwsCredentials credentials,
                                           std::string region, std::string stream);

// The wait before try `next` (2 is the first repeat), with `luck` in [0, 1); `asked`: what the server wants at least.
Duration wait_before(int next, double luck, Duration asked);
inline constexpr int most_tries = 8;

}  // namespace millrace::commands
