// How events reach a receiver. One Transport serves one data stream; a lane hands it batches and judges its answers.
//   To add one: a file in transports/, a line in server/wiring.cc, a story in tests/e2e/.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/uuid.h"
#include "io/task.h"
#include "model/attempt.h"
#include "model/data_stream.h"

namespace millrace::delivery {

// Why an event has no bytes to send, in the format of a stream.
enum class Refusal : std::uint8_t {
  none,
  no_form,       // the format has none for events of this type
  incomplete,    // the event lacks what its form cannot do without
  nonconforming  // its form breaks the rules of the format, and the operator wants such held back
};

// The bytes of one event for one set of rendering rules; the same at every try (DESIGN 2.2).
struct Rendered {
  std::string body;
  std::string content_type;
  std::string kid;                  // of the key that signed it; empty: unsigned
  std::string payload_hash;         // 8 bytes of SHA-256 of body
  Refusal refusal = Refusal::none;  // else the body is not to be sent
  std::uint32_t findings = 0;       // of the check of the format
  std::string finding;              // the first of them, or why it was refused; for people
};

struct Entry {  // one event to send
  EventId event;
  std::string event_type;
  std::string event_time;
  std::shared_ptr<Rendered const> rendered;
  model::Run run = model::Run::live;
  model::TryKind kind = model::TryKind::attempt;
  std::uint8_t attempt = 1;
  std::optional<Uuid> replay;
};

struct Outcome {  // of one entry
  bool delivered = false;
  model::FailureClass failure = model::FailureClass::none;
  std::uint16_t status = 0;
  std::string reason;  // for people
  std::optional<Duration> retry_after;
  bool resent = false, reused = false;
  bool crowded = false;  // it waited for a connection: fewer sends at a time would serve as well
  WallTime at{};
  Duration took{};
  model::AttemptTiming timing;
  model::HttpVersion http = model::HttpVersion::none;
  std::shared_ptr<model::PeerCertificate const> certificate;
  std::string address, tls_version, response_headers, response_body;
};

struct BatchLimits {
  std::size_t entries = 1;
  std::size_t bytes = 256 * 1024;  // a single larger entry goes alone
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual BatchLimits limits() const = 0;
  // One outcome for each entry, in order; it never throws but to unwind, and takes at most 15 s and a little. Several calls may be
  // under way at a time; at most the lane's window.
  virtual io::Task<std::vector<Outcome>> send(std::vector<Entry> batch) = 0;
};

// Makes the Transport of a stream, for the loop that calls it; again after each edit (the old one ends when its sends have ended).
class Transports {
 public:
  virtual ~Transports() = default;
  virtual std::shared_ptr<Transport> make(model::DataStream const& stream) = 0;
};

}  // namespace millrace::delivery
