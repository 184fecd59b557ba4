#include "model/stream_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>

#include "model/event_block.h"

namespace millrace::model {
namespace {

using json::Fields;

constexpr std::size_t max_url_bytes = 2048;
constexpr std::size_t max_event_types = 1000;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_token(std::string_view name) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [marks](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.contains(c);
  });
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string required(Fields& fields, std::string_view key, std::size_t most) {
  if (!fields.has(key)) return fields.wrong(key, "is required"), std::string();
  return fields.text(key, 1, most).value_or("");
}

// Schemes have no case (RFC 3986 section 3.1). `scheme`: small letters, with "://".
bool has_scheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::ranges::equal(url.substr(0, scheme.size()), scheme, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// Only the form that any reader sees; the room that connects parses the URL fully (http/url.h).
std::string_view url_refusal(std::string_view url, bool allow_plain_http) {
  bool const tls = has_scheme(url, "https://");
  if (!tls && !(allow_plain_http && has_scheme(url, "http://")))
    return allow_plain_http ? "must begin with https:// or http://" : "must begin with https://";
  if (std::ranges::any_of(
          url, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; }))
    return "holds a space or a control character";
  auto const rest = url.substr(tls ? 8 : 7);
  auto const authority = rest.substr(0, rest.find_first_of("/?#\\"));
  if (authority.empty()) return "has no host";
  if (authority.contains('@')) return "must not hold a user name or password; use a request header";
  return {};
}

std::string_view queue_refusal(std::string_view url, bool any_name) {
  auto const name = url.substr(url.rfind('/') + 1);
  if (name.ends_with(".fifo"))
    return "is a FIFO queue, which cannot be used: events have no order to keep";
  if (!any_name && !name.starts_with("canvas-live-events"))
    return "must end with the name of a queue, which must begin with canvas-live-events";
  return {};
}

std::string_view email_refusal(std::string_view address) {
  auto const at = address.find('@');
  if (at == address.npos || at == 0 || at > 64 || at + 1 == address.size() ||
      address.find('@', at + 1) != address.npos)
    return "is not an e-mail address like admin@example.edu";
  constexpr std::string_view never = " ,;:<>()[]\"\\";
  if (address.find_first_of(never) != address.npos)
    return "must be one plain e-mail address like admin@example.edu";
  auto const domain = address.substr(at + 1);
  if (domain.starts_with('.') || domain.ends_with('.') || domain.contains(".."))
    return "has a domain that no e-mail address can have";
  return {};
}

std::vector<std::string> read_event_types(Fields& fields) {
  if (!fields.has("event_types"))
    return fields.wrong("event_types", R"(is required: names of event types, or ["*"])"),
           std::vector<std::string>();
  auto types = fields.texts("event_types", max_event_types, Limits::name_bytes);
  if (!types) return {};
  if (types->empty())
    fields.wrong("event_types", R"(is empty: name at least one event type, or ["*"] for all)");
  if (types->size() > 1 && std::ranges::find(*types, "*") != types->end())
    fields.wrong("event_types", R"(holds "*" beside names: "*" stands alone)");
  std::ranges::sort(*types);
  types->erase(std::ranges::unique(*types).begin(), types->end());
  return std::move(*types);
}

void read_sqs(Fields& fields, Delivery& delivery, StreamRules rules) {
  delivery.region = fields.text("region", 1, 64);
  delivery.access_key_id = fields.text("access_key_id", 1, 128);
  delivery.secret_access_key = fields.text("secret_access_key", 1, 256);
  if (delivery.access_key_id.has_value() != delivery.secret_access_key.has_value())
    fields.wrong(delivery.access_key_id ? "secret_access_key" : "access_key_id",
                 "is required: a key and its secret come together");
  if (delivery.access_key_id && !delivery.region && !delivery.url.contains(".amazonaws."))
    fields.wrong("region", "is required with a key, as the URL does not name a region");
  if (auto const why = queue_refusal(delivery.url, rules.allow_any_queue_name);
      !delivery.url.empty() && !why.empty())
    fields.wrong("url", std::string(why));
}

void read_tls(boost::json::object const& object, Delivery& delivery,
              std::vector<json::FieldTrouble>& troubles) {
  Fields fields(object, "/delivery/tls", troubles);
  auto& tls = delivery.tls;
  tls.ca_certificates = fields.lines("ca_certificates", 1, TlsLimits::bytes);
  tls.client_certificate = fields.lines("client_certificate", 1, TlsLimits::bytes);
  tls.client_key = fields.lines("client_key", 1, TlsLimits::bytes);
  if (fields.has("client_certificate") != fields.has("client_key"))
    fields.wrong(fields.has("client_key") ? "client_certificate" : "client_key",
                 "is required: a certificate and its key come together");
  if (has_scheme(delivery.url, "http://")) fields.wrong("", "is for https:// URLs only");
  fields.refuse_others();
}

Delivery read_delivery(boost::json::object const& object, StreamRules rules,
                       std::vector<json::FieldTrouble>& troubles) {
  Fields fields(object, "/delivery", troubles);
  Delivery delivery;
  if (!fields.has("method")) fields.wrong("method", "is required: https or sqs");
  auto const method = fields.choice("method", {"https", "sqs"});
  delivery.method = method == 1U ? Method::sqs : Method::https;
  delivery.url = required(fields, "url", max_url_bytes);
  if (auto const why = url_refusal(delivery.url, rules.allow_plain_http);
      !delivery.url.empty() && !why.empty())
    fields.wrong("url", std::string(why));
  delivery.sign_payload = fields.flag("sign_payload").value_or(false);
  delivery.signed_body =
      static_cast<SignedBody>(fields.choice("signed_body", {"raw", "quoted", "jwt"}).value_or(0));
  if (delivery.method == Method::sqs) {
    if (!rules.allow_sqs)
      fields.wrong("method", "sqs is not available in this version of Millrace; https is");
    if (delivery.sign_payload)
      fields.wrong("sign_payload", "is for https only: events in a queue are not signed");
    if (fields.has("tls")) fields.wrong("tls", "is for https only");
    read_sqs(fields, delivery, rules);
  } else {
    if (!fields.is_null("tls"))
      if (auto const* const tls = fields.object("tls")) read_tls(*tls, delivery, troubles);
    for (std::string_view const key : {"region", "access_key_id", "secret_access_key"})
      if (fields.has(key)) fields.wrong(key, "is for sqs only");
  }
  fields.refuse_others();
  return delivery;
}

std::map<std::string, std::string> read_headers(boost::json::object const& object,
                                                std::vector<json::FieldTrouble>& troubles) {
  Fields fields(object, "/headers", troubles);
  std::map<std::string, std::string> headers;
  if (object.size() > HeaderLimits::count)
    fields.wrong("",
                 fmt::format("has {} headers, more than {}", object.size(), HeaderLimits::count));
  std::size_t bytes = 0;
  std::vector<std::string> seen;
  for (auto const& [key, ignored] : object) {
    std::string_view const name(key.data(), key.size());
    if (auto const why = header_refusal(name); !why.empty()) {
      fields.wrong(name, std::string(why));
      continue;
    }
    if (auto folded = lower(name); std::ranges::find(seen, folded) != seen.end()) {
      fields.wrong(name, "is there twice, in other case");
    } else {
      seen.push_back(std::move(folded));
    }
    auto const value = fields.text(name, 1, HeaderLimits::bytes);
    if (!value) continue;
    if (value->starts_with(' ') || value->ends_with(' '))
      fields.wrong(name, "has a value that begins or ends with a space");
    bytes += name.size() + value->size();
    headers.emplace(name, *value);
  }
  if (bytes > HeaderLimits::bytes)
    fields.wrong("", fmt::format("has {} bytes of names and values, more than {}", bytes,
                                 HeaderLimits::bytes));
  return headers;
}

}  // namespace

std::string_view header_refusal(std::string_view name) {
  if (!is_token(name) || name.size() > 128) return "is not the name of an HTTP header";
  auto const folded = lower(name);
  constexpr std::string_view ours[] = {
      "host", "content-length", "content-type", "content-encoding", "user-agent", "date", "expect"};
  if (folded.starts_with("millrace-") || std::ranges::find(ours, folded) != std::end(ours))
    return "is set by Millrace itself";
  constexpr std::string_view hop_by_hop[] = {"connection",
                                             "keep-alive",
                                             "proxy-connection",
                                             "proxy-authenticate",
                                             "proxy-authorization",
                                             "te",
                                             "trailer",
                                             "transfer-encoding",
                                             "upgrade",
                                             "http2-settings"};
  if (std::ranges::find(hop_by_hop, folded) != std::end(hop_by_hop))
    return "belongs to the connection, not to the event";
  return {};
}

DataStream read_user_part(boost::json::object const& user, StreamRules rules,
                          std::vector<json::FieldTrouble>& troubles) {
  Fields fields(user, "", troubles);
  DataStream stream;
  stream.name = required(fields, "name", 1020);
  if (characters(stream.name) > 255) fields.wrong("name", "is longer than 255 characters");
  stream.account = required(fields, "account", Limits::name_bytes);
  if (stream.account == "*" && !rules.allow_every_account)
    fields.wrong("account", "may be * (every account) only for the operator");
  stream.format = static_cast<Format>(fields.choice("format", {"canvas", "caliper"}).value_or(0));
  if (stream.format == Format::caliper && !rules.allow_caliper)
    fields.wrong("format", "caliper is not available in this version of Millrace; canvas is");
  stream.event_types = read_event_types(fields);
  if (!fields.has("delivery"))
    fields.wrong("delivery", R"(is required, like {"method": "https", "url": "https://…"})");
  if (auto const* const delivery = fields.object("delivery"))
    stream.delivery = read_delivery(*delivery, rules, troubles);
  if (auto const* const headers = fields.object("headers"))
    stream.headers = read_headers(*headers, troubles);
  stream.breaker = fields.choice("breaker", {"on", "off"}).value_or(0) == 0;
  static_cast<void>(fields.choice("retry", {"canvas"}));
  stream.contact_email = required(fields, "contact_email", 254);
  if (auto const why = email_refusal(stream.contact_email);
      !stream.contact_email.empty() && !why.empty())
    fields.wrong("contact_email", std::string(why));
  if (!fields.is_null("rate_limit"))
    stream.rate_limit = fields.real("rate_limit", RateLimits::least, RateLimits::most);
  fields.refuse_others();
  return stream;
}

}  // namespace millrace::model
