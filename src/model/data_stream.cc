#include "model/data_stream.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <utility>

#include "json/reader.h"
#include "json/write.h"
#include "model/stream_fields.h"

namespace millrace::model {
namespace {

void write_delivery(json::Writer& out, Delivery const& delivery, bool with_secrets) {
  out.key("delivery")
      .begin_object()
      .key("method")
      .text(name_of(delivery.method))
      .key("url")
      .text(delivery.url);
  if (delivery.method == Method::https || with_secrets)
    out.key("sign_payload")
        .flag(delivery.sign_payload)
        .key("signed_body")
        .text(name_of(delivery.signed_body));
  if (delivery.method == Method::sqs) {
    if (delivery.region) out.key("region").text(*delivery.region);
    if (delivery.access_key_id) out.key("access_key_id").text(*delivery.access_key_id);
    if (with_secrets && delivery.secret_access_key)
      out.key("secret_access_key").text(*delivery.secret_access_key);
    if (!with_secrets)
      out.key("secret_access_key_set").flag(delivery.secret_access_key.has_value());
  }
  if (auto const& tls = delivery.tls; !tls.is_empty()) {
    out.key("tls").begin_object();
    if (tls.ca_certificates) out.key("ca_certificates").text(*tls.ca_certificates);
    if (tls.client_certificate) out.key("client_certificate").text(*tls.client_certificate);
    if (with_secrets && tls.client_key) out.key("client_key").text(*tls.client_key);
    if (!with_secrets) out.key("client_key_set").flag(tls.client_key.has_value());
    out.end_object();
  }
  out.end_object();
}

void write_user_part(json::Writer& out, DataStream const& stream, bool with_secrets) {
  out.key("name")
      .text(stream.name)
      .key("account")
      .text(stream.account)
      .key("format")
      .text(name_of(stream.format));
  out.key("event_types").begin_array();
  for (auto const& type : stream.event_types) out.text(type);
  out.end_array();
  write_delivery(out, stream.delivery, with_secrets);
  out.key("headers").begin_object();
  for (auto const& [name, value] : stream.headers) {
    out.key(name);
    if (with_secrets) {
      out.text(value);
    } else {
      out.null();
    }
  }
  out.end_object();
  out.key("breaker")
      .text(stream.breaker ? "on" : "off")
      .key("retry")
      .text("canvas")
      .key("contact_email")
      .text(stream.contact_email);
  out.key("rate_limit");
  if (stream.rate_limit) {
    out.real(*stream.rate_limit);
  } else {
    out.null();
  }
}

template <class T, std::size_t Count>
std::optional<T> one_of(std::array<T, Count> const& all, std::optional<std::string_view> name) {
  for (auto const value : all)
    if (name && name_of(value) == *name) return value;
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Format format) {
  switch (format) {
    case Format::canvas:
      return "canvas";
    case Format::caliper:
      return "caliper";
  }
  std::abort();
}

std::string_view name_of(Method method) {
  switch (method) {
    case Method::https:
      return "https";
    case Method::sqs:
      return "sqs";
  }
  std::abort();
}

std::string_view name_of(SignedBody body) {
  switch (body) {
    case SignedBody::raw:
      return "raw";
    case SignedBody::quoted:
      return "quoted";
    case SignedBody::jwt:
      return "jwt";
  }
  std::abort();
}

std::string_view name_of(StreamState state) {
  switch (state) {
    case StreamState::active:
      return "active";
    case StreamState::holding:
      return "holding";
    case StreamState::deactivated:
      return "deactivated";
  }
  std::abort();
}

std::string_view name_of(StateReason reason) {
  switch (reason) {
    case StateReason::none:
      return "";
    case StateReason::by_user:
      return "by_user";
    case StateReason::timeouts:
      return "timeouts";
    case StateReason::errors:
      return "errors";
    case StateReason::gone:
      return "gone";
  }
  std::abort();
}

bool DataStream::selects(std::string_view event_type) const {
  if (event_types.size() == 1 && event_types.front() == "*") return true;
  return std::ranges::binary_search(event_types, event_type, std::less<>());
}

std::string to_json(DataStream const& stream) {
  json::Writer out;
  out.begin_object().key("id").text(stream.id.text());
  write_user_part(out, stream, false);
  out.key("state")
      .text(name_of(stream.state))
      .key("state_reason")
      .text_or_null(name_of(stream.reason));
  out.key("region")
      .text_or_null(stream.delivery.region.value_or(""))
      .key("version")
      .number(stream.version);
  out.key("created_at")
      .text(iso_ms(stream.created_at))
      .key("updated_at")
      .text(iso_ms(stream.updated_at))
      .end_object();
  return std::move(out).take();
}

std::string to_stored(DataStream const& stream) {
  json::Writer out;
  out.begin_object()
      .key("form")
      .number(1)
      .key("id")
      .text(stream.id.text())
      .key("user")
      .begin_object();
  write_user_part(out, stream, true);
  out.end_object();
  out.key("state")
      .text(name_of(stream.state))
      .key("state_reason")
      .text(name_of(stream.reason))
      .key("version")
      .number(stream.version);
  out.key("created_at_ms")
      .number(unix_ms(stream.created_at))
      .key("updated_at_ms")
      .number(unix_ms(stream.updated_at))
      .end_object();
  return std::move(out).take();
}

Result<DataStream> from_stored(std::string_view json) {
  auto const corrupt = [](std::string_view why) {
    return fail(Fault::corrupt, "stored data stream: " + std::string(why));
  };
  auto const document = json::parse(json, {.bytes = 4 * 1024 * 1024, .depth = 16});
  if (!document) return corrupt(document.error().what);
  auto const* const object = document->if_object();
  if (object == nullptr) return corrupt("is not an object");

  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*object, "", troubles);
  if (auto const form = fields.number("form", 1, 1); !form)
    return corrupt("has a form that this version does not know");
  auto const* const user = fields.object("user");
  if (user == nullptr) return corrupt("has no user part");
  // What was once accepted stays good, whatever the rules are by now.
  StreamRules const everything{true, true, true, true, true};
  auto stream = read_user_part(*user, everything, troubles);

  auto const id = StreamId::parse(json::text_at(*object, "id").value_or(""));
  auto const state =
      one_of(std::array{StreamState::active, StreamState::holding, StreamState::deactivated},
             json::text_at(*object, "state"));
  auto const reason =
      one_of(std::array{StateReason::none, StateReason::by_user, StateReason::timeouts,
                        StateReason::errors, StateReason::gone},
             json::text_at(*object, "state_reason"));
  constexpr std::int64_t last_ms = 253'402'300'799'999;  // the year 9999
  auto const version = fields.number("version", 1, INT64_MAX);
  auto const created = fields.number("created_at_ms", 0, last_ms),
             updated = fields.number("updated_at_ms", 0, last_ms);
  if (!troubles.empty()) return corrupt(troubles.front().field + ": " + troubles.front().message);
  if (!id || !state || !reason || !version || !created || !updated)
    return corrupt("lacks its id, state, version or times");
  stream.id = *id;
  stream.state = *state;
  stream.reason = *reason;
  stream.version = static_cast<std::uint64_t>(*version);
  stream.created_at = from_unix_ms(*created);
  stream.updated_at = from_unix_ms(*updated);
  return stream;
}

}  // namespace millrace::model
