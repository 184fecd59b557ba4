// A data stream: who gets which events, in which form, by which way. What a user edits; progress is elsewhere (store/store.h).
//   A DataStream is always valid: it is made only by parse_new(), merged() and from_stored().
#pragma once
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "base/uuid.h"

namespace millrace::model {

enum class Format : std::uint8_t { canvas, caliper };
enum class Method : std::uint8_t { https, sqs };
enum class SignedBody : std::uint8_t { raw, quoted, jwt };
enum class StreamState : std::uint8_t { active, holding, deactivated };
enum class StateReason : std::uint8_t { none, by_user, timeouts, errors, gone };

std::string_view name_of(Format format);
std::string_view name_of(Method method);
std::string_view name_of(SignedBody body);
std::string_view name_of(StreamState state);
std::string_view name_of(StateReason reason);  // "" for none

struct FieldFault {   // one fault of an input; all faults are told at once
  std::string field;  // JSON pointer, "/delivery/url"
  std::string message;
};

// Of connections to the receiver, beside what this machine trusts. PEM texts; what they hold is not looked at here.
struct DeliveryTls {
  std::optional<std::string> ca_certificates;     // authorities that are trusted too
  std::optional<std::string> client_certificate;  // shown to a receiver that asks; leaf first
  std::optional<std::string> client_key;          // of that; sealed where it is stored, never shown
  bool is_empty() const { return !ca_certificates && !client_certificate && !client_key; }
  friend bool operator==(DeliveryTls const&, DeliveryTls const&) = default;
};

struct Delivery {
  Method method = Method::https;
  std::string url;
  bool sign_payload = false;
  SignedBody signed_body = SignedBody::raw;
  std::optional<std::string> region;             // SQS
  std::optional<std::string> access_key_id;      // SQS
  std::optional<std::string> secret_access_key;  // SQS; sealed where it is stored, never shown
  DeliveryTls tls{};                             // HTTPS
  friend bool operator==(Delivery const&, Delivery const&) = default;
};

struct DataStream {
  StreamId id;
  std::string name;     // 1 to 255 characters
  std::string account;  // root account uuid; "*": every account (operator only)
  Format format = Format::canvas;
  std::vector<std::string> event_types;  // names, or {"*"}; sorted, without repeats
  Delivery delivery;
  StreamState state = StreamState::active;
  StateReason reason = StateReason::none;
  std::map<std::string, std::string> headers;  // extra request headers; values are secret
  bool breaker = true;
  std::string contact_email;
  std::optional<double> rate_limit{};  // events a second, 0.1 to 100,000; tries count, too
  std::uint64_t version = 1;           // of this record; each change adds one
  WallTime created_at{};
  WallTime updated_at{};

  // By name only; the account is the dispatcher's business.
  bool selects(std::string_view event_type) const;
  friend bool operator==(DataStream const&, DataStream const&) = default;
};

struct HeaderLimits {
  static constexpr std::size_t count = 20;
  static constexpr std::size_t bytes = 4096;  // names and values together
};
struct TlsLimits {
  static constexpr std::size_t bytes = 64 * 1024;  // of each text
};
struct RateLimits {
  static constexpr double least = 0.1, most = 100'000;  // events a second
};
// Why a data stream may not have the request header `name` (any case); empty: it may. Ours and hop-by-hop ones are not a user's.
std::string_view header_refusal(std::string_view name);

// What the border needs to know that is not in the input.
struct StreamRules {
  bool allow_plain_http = false;  // http:// URLs (allowed ranges are checked when connecting)
  bool allow_every_account = false;
  bool allow_caliper = false;         // the format can be sent
  bool allow_sqs = false;             // the method can be sent
  bool allow_any_queue_name = false;  // also queues not named canvas-live-events...
};

// Reads the JSON of POST /api/v1/data_streams. Unknown fields are faults. Pure.
std::expected<DataStream, std::vector<FieldFault>> parse_new(std::string_view json,
                                                             StreamRules rules);
// Applies the JSON of PATCH (RFC 7396 merge) to a stream; read-only fields in it are faults. Secrets that the patch does not name
// stay. Turning a stream from SQS to HTTPS, or back, drops what only the other has. Id, state, version and times are left as they are: whoever
// stores the result sets them. Pure.
std::expected<DataStream, std::vector<FieldFault>> merged(DataStream const& stream,
                                                          std::string_view json, StreamRules rules);

// As REST shows it: secrets as null, `secret_access_key_set`, `client_key_set`. (openapi.yaml, DataStream)
std::string to_json(DataStream const& stream);
// As it is stored, with its secrets: seal the result before it touches a disk.
std::string to_stored(DataStream const& stream);
// What to_stored() made, of this version or an earlier one. Fails with: corrupt.
Result<DataStream> from_stored(std::string_view json);

}  // namespace millrace::model
