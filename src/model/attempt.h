// One try to deliver one event to one data stream, as people look at it later.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "base/uuid.h"

namespace millrace::model {

// `test`: an event that a person had sent to try the endpoint.
enum class Run : std::uint8_t { live, redelivery, replay, test };
enum class TryKind : std::uint8_t { attempt, probe };  // shown as "try" and "probe"
// `waiting`: the try failed and its run goes on.
enum class AttemptOutcome : std::uint8_t { delivered, failed, waiting };
// Why a try failed. `own_side`: trouble of ours, never counted against the endpoint.
enum class FailureClass : std::uint8_t {
  none,
  timeout,
  http,
  tls,
  connect,
  dns,
  protocol,
  sqs,
  own_side
};

std::string_view name_of(Run run);
std::string_view name_of(TryKind kind);
std::string_view name_of(AttemptOutcome outcome);
std::string_view name_of(FailureClass failure);  // "" for none
// Both: nullopt for a word that name_of() does not give.
std::optional<FailureClass> parse_failure_class(std::string_view name);
std::optional<AttemptOutcome> parse_attempt_outcome(std::string_view name);

struct
    AttemptTiming {  // each phase's own length; zero where it did not happen (a reused connection, say)
  Duration dns{}, connect{}, tls{};
  Duration answer{};      // from the request to the end of the header block
  Duration first_byte{};  // of that, until the first byte came
  Duration body{};        // behind it, for as long as the body was read
};

// What a receiver's certificate said of itself; a stranger's text, printable.
struct PeerCertificate {
  std::string subject;   // its names, else its subject
  std::string issuer;    // "CN=R11,O=Let's Encrypt,C=US"
  std::string valid_to;  // "2027-02-01"
  std::string sha256;    // of the certificate, hexadecimal
  friend bool operator==(PeerCertificate const&, PeerCertificate const&) = default;
};

enum class HttpVersion : std::uint8_t { none, http1, http2 };
std::string_view name_of(HttpVersion version);  // "", "1.1", "2"

struct Attempt {
  StreamId stream;
  EventId event;
  std::string event_type;
  Run run = Run::live;
  TryKind kind = TryKind::attempt;
  std::uint8_t number = 1;  // 1 to 4, within its run
  bool resent = false;      // sent a second time within the try, because a kept connection had gone
  bool reused = false;      // went over a kept connection
  WallTime at{};            // when it began
  AttemptOutcome outcome = AttemptOutcome::delivered;
  FailureClass failure = FailureClass::none;
  std::uint16_t status = 0;  // HTTP status; 0: none came
  Duration took{};
  AttemptTiming timing;
  std::string address;  // "203.0.113.7:443"
  // Of the connection; empty where it did not come so far.
  HttpVersion http = HttpVersion::none;
  std::string tls_version;  // "TLSv1.3"
  std::shared_ptr<PeerCertificate const> certificate;
  std::string reason;  // for people; of a delivered one what was odd, mostly nothing
  std::string
      response_headers;  // "Name: value\n" lines, at most 16 KiB; secrets and control characters already made harmless
  std::string response_body;  // at most 64 KiB, the same
};

// As REST shows it (openapi.yaml, Attempt).
std::string to_json(Attempt const& attempt);

}  // namespace millrace::model
