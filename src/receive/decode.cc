#include "receive/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "json/write.h"

namespace millrace::receive {
namespace {

// The border admits events of 1 MiB, 64 deep; the claims and the wrapper come on top.
constexpr json::Limits limits{.bytes = 2 * 1024 * 1024, .depth = 68};
// Those of RFC 7519, and ours.
constexpr std::array<std::string_view, 8> registered{"iss", "sub", "aud", "exp",
                                                     "nbf", "iat", "jti", "replay"};

std::string_view member(std::vector<json::Member> const& members, std::string_view key) {
  auto const it = std::ranges::find(members, key, &json::Member::key);
  return it == members.end() ? std::string_view() : it->value;
}

std::string text_member(std::vector<json::Member> const& members, std::string_view key) {
  auto const raw = member(members, key);
  return raw.empty() ? std::string() : json::unquoted(raw).value_or("");
}

// Name and time: of Canvas's form in `metadata`; of a Caliper envelope in its first event.
void look_inside(json::Parser& parser, std::vector<json::Member> const& members, Decoded& decoded) {
  if (auto const metadata = member(members, "metadata"); metadata.starts_with('{')) {
    if (auto const inner = parser.members(metadata, limits)) {
      decoded.name = text_member(*inner, "event_name");
      decoded.event_time = text_member(*inner, "event_time");
    }
  } else if (auto const data = member(members, "data"); data.starts_with('[')) {
    auto const events = parser.elements(data, limits);
    if (!events || events->empty() || !events->front().starts_with('{')) return;
    if (auto const inner = parser.members(events->front(), limits))
      decoded.event_time = text_member(*inner, "eventTime");
  }
}

// Seconds since 1970; JWTs may have a fraction.
Result<std::optional<WallTime>> time_claim(std::vector<json::Member> const& members,
                                           std::string_view key) {
  auto const raw = member(members, key);
  if (raw.empty()) return std::nullopt;
  double value = 0;
  auto const [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size() || !(std::abs(value) < 9e9))
    return fail(Fault::invalid, fmt::format("JWT: claim {} is not a time in seconds", key));
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(std::floor(value * 1000))));
}

Result<std::optional<std::string>> text_claim(std::vector<json::Member> const& members,
                                              std::string_view key) {
  auto const raw = member(members, key);
  if (raw.empty()) return std::nullopt;
  auto text = json::unquoted(raw);
  if (!text || text->empty() || text->size() > 255)
    return fail(Fault::invalid, fmt::format("JWT: claim {} is not a text of 1 to 255 bytes", key));
  return text;
}

}  // namespace

Result<Decoded> decode_claims(json::Parser& parser, std::string_view claims) {
  auto const members = parser.members(claims, limits);
  if (!members) return fail(Fault::invalid, "JWT: claims: " + members.error().what);
  Decoded decoded;
  auto issuer = text_claim(*members, "iss");
  if (!issuer) return pass(issuer);
  decoded.issuer = std::move(*issuer);
  auto id = text_claim(*members, "jti");
  if (!id) return pass(id);
  decoded.id = std::move(*id);
  auto replay = text_claim(*members, "replay");
  if (!replay) return pass(replay);
  decoded.replay = std::move(*replay);
  for (auto const& [key, into] :
       {std::pair("iat", &decoded.issued), std::pair("exp", &decoded.expires),
        std::pair("nbf", &decoded.not_before)}) {
    auto const time = time_claim(*members, key);
    if (!time) return pass(time);
    *into = *time;
  }
  for (auto const& [key, value] : *members) {
    if (std::ranges::find(registered, key) != registered.end()) continue;
    decoded.event += decoded.event.empty() ? '{' : ',';
    json::append_string(decoded.event, key);
    decoded.event += ':';
    decoded.event += value;
  }
  if (decoded.event.empty()) return fail(Fault::invalid, "JWT: its claims hold no event");
  decoded.event += '}';
  look_inside(parser, *members, decoded);
  return decoded;
}

Result<Decoded> decode_event(json::Parser& parser, std::string_view json) {
  auto const members = parser.members(json, limits);
  if (!members) return fail(Fault::invalid, "the event: " + members.error().what);
  if (members->empty()) return fail(Fault::invalid, "the event: has no members");
  Decoded decoded;
  decoded.event = json;
  look_inside(parser, *members, decoded);
  return decoded;
}

}  // namespace millrace::receive
