#include "receive/receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/uuid.h"
#include "crypto/digest.h"
#include "json/write.h"
#include "receive/paths.h"

namespace millrace::receive {
namespace {

// Clocks differ; a delivery is not refused for less.
constexpr Duration leeway = std::chrono::minutes(1);
constexpr std::size_t longest_id = 255;

http::ServerResponse answer(int status, std::string text) {
  http::ServerResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  if (status == 405) response.headers.push_back({"Allow", "POST"});
  if (status == 503) response.headers.push_back({"Retry-After", "10"});
  response.body = std::move(text) + '\n';
  return response;
}

// What a failure that is the sender's is answered with.
int status_of(Fault fault) {
  switch (fault) {
    case Fault::invalid:
      return 400;
    case Fault::denied:
    case Fault::missing:
      return 401;
    case Fault::conflict:
    case Fault::busy:
    case Fault::unreachable:
    case Fault::uncertain:
    case Fault::corrupt:
    case Fault::io:
    case Fault::fenced:
      return 503;
  }
  std::abort();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  auto const first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::string header_text(http::ServerRequest const& request, std::string_view name) {
  auto const value = request.header(name);
  return value && value->size() <= longest_id ? std::string(*value) : std::string();
}

// Our ids carry the time of acceptance.
std::optional<WallTime> time_in(std::string_view id) {
  auto const uuid = Uuid::parse(id);
  if (!uuid || ((uuid->high >> 12) & 0xf) != 7) return std::nullopt;
  return uuid->time();
}

// Headers that tell of the delivery; others, such as Authorization, may be secret.
bool kept_header(std::string_view lower) {
  return lower == "content-type" || lower == "user-agent" || lower.starts_with("millrace-");
}

std::string envelope(std::string_view event, http::ServerRequest const& request, WallTime received,
                     crypto::VerifiedJwt const* jwt, Decoded const& decoded) {
  std::string out = R"({"event":)";
  out += event;
  out += fmt::format(R"(,"received_at":"{}","headers":{{)", iso_ms(received));
  bool first = true;
  for (auto const& header : request.headers) {
    std::string lower = header.name;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!kept_header(lower)) continue;
    if (!std::exchange(first, false)) out += ',';
    json::append_string(out, lower);
    out += ':';
    json::append_string(out, header.value);
  }
  out += '}';
  if (jwt != nullptr) {
    out += R"(,"jwt":{"header":)";
    out += trimmed(jwt->header);
    if (decoded.issuer) out += R"(,"iss":)", json::append_string(out, *decoded.issuer);
    if (decoded.issued) out += fmt::format(R"(,"iat":{})", unix_ms(*decoded.issued) / 1000);
    if (decoded.id) out += R"(,"jti":)", json::append_string(out, *decoded.id);
    if (decoded.replay) out += R"(,"replay":)", json::append_string(out, *decoded.replay);
    out += '}';
  }
  return out += '}';
}

// Which event this is, when it was accepted, and where it belongs.
Received place(Decoded const& decoded, http::ServerRequest const& request, std::string_view content,
               WallTime received, bool is_signed) {
  Received event;
  if (decoded.id)
    event.id = *decoded.id;
  else
    event.id = header_text(request, "Millrace-Event-Id");
  if (event.id.empty()) {
    event.id = crypto::sha256_hex(content);
    event.key = "content " + event.id;
  } else {
    event.key = "id " + event.id;
  }
  // Of a signed event only what is signed counts: a header that anybody may add would switch the check for repeats off.
  event.replay =
      is_signed ? decoded.replay.value_or("") : header_text(request, "Millrace-Replay-Id");
  if (!event.replay.empty()) event.key += " replay " + event.replay;

  event.name = decoded.name.empty() ? header_text(request, "Millrace-Event-Type") : decoded.name;
  auto const accepted = decoded.issued ? decoded.issued : time_in(event.id);
  event.dated = accepted.has_value();
  event.accepted_at = accepted ? sensible_time(iso_ms(*accepted), received) : received;
  event.event_at = sensible_time(decoded.event_time, received);
  return event;
}

}  // namespace

io::Task<http::ServerResponse> Receiver::handle(http::ServerRequest request) {
  if (request.path == "/healthz" && (request.method == "GET" || request.method == "HEAD")) {
    if (parts_.keys != nullptr && parts_.keys->keys() == nullptr)
      co_return answer(503, "the JWKS has not been fetched yet");
    co_return answer(200, "ok");
  }
  if (request.method != "POST") co_return answer(405, "events come by POST");
  auto const type = header_text(request, "Millrace-Event-Type");
  auto const peer = io::text_of(request.peer);
  auto response = co_await accept(std::move(request));
  if (response.status != 200)
    parts_.log.info("delivery refused", {{"status", response.status},
                                         {"why", std::string(trimmed(response.body))},
                                         {"event_type", type},
                                         {"from", peer}});
  co_return response;
}

io::Task<Result<crypto::VerifiedJwt>> Receiver::verify(std::string_view body) {
  if (parts_.keys == nullptr)
    co_return fail(Fault::denied,
                   "this receiver has no keys (--jwks), and takes unsigned events only");
  if (parts_.keys->keys() == nullptr) {
    auto const fetched = co_await parts_.keys->refresh_for_unknown_kid();
    if (parts_.keys->keys() == nullptr)
      co_return fail(
          Fault::unreachable,
          fetched ? "no keys yet" : "no keys to verify with yet: " + fetched.error().what);
  }
  auto verified = verifier_.verify(body, parts_.keys->keys());
  if (verified || verified.error().fault != Fault::missing) co_return verified;
  auto const fetched = co_await parts_.keys->refresh_for_unknown_kid();
  // Not known, and nobody to ask: the next try of the sender may find an answer.
  if (!fetched)
    co_return fail(Fault::unreachable, verified.error().what + "; " + fetched.error().what);
  co_return verifier_.verify(body, parts_.keys->keys());
}

std::string Receiver::trouble_with(Decoded const& decoded) const {
  if (!settings_.issuer.empty() && decoded.issuer != settings_.issuer)
    return fmt::format("issuer is {}, expected {}",
                       decoded.issuer ? log_value(decoded.issuer->substr(0, 200)) : "missing",
                       settings_.issuer);
  auto const now = parts_.clock.wall();
  if (decoded.expires && *decoded.expires + leeway < now)
    return "expired at " + iso_s(*decoded.expires);
  if (decoded.not_before && *decoded.not_before - leeway > now)
    return "not valid before " + iso_s(*decoded.not_before);
  return {};
}

io::Task<http::ServerResponse> Receiver::accept(http::ServerRequest request) {
  auto const received = parts_.clock.wall();
  if (auto const coding = request.header("Content-Encoding"); coding && *coding != "identity")
    co_return answer(415, "the body must not be encoded");
  auto const body = trimmed(request.body);
  if (body.empty()) co_return answer(400, "the body is empty");

  bool const bare = body.front() == '{';
  if (bare && !settings_.allow_unsigned)
    co_return answer(
        401, "the event is not signed, and this receiver was started without --allow-unsigned");

  std::optional<crypto::VerifiedJwt> jwt;
  if (!bare) {
    auto verified = co_await verify(body);
    if (!verified) co_return answer(status_of(verified.error().fault), verified.error().what);
    jwt = std::move(*verified);
  }
  std::string_view const content = jwt ? std::string_view(jwt->claims) : body;
  auto decoded = jwt ? decode_claims(parser_, content) : decode_event(parser_, content);
  if (!decoded) co_return answer(400, decoded.error().what);
  if (jwt)
    if (auto const trouble = trouble_with(*decoded); !trouble.empty())
      co_return answer(401, "JWT: " + trouble);

  auto event = place(*decoded, request, content, received, jwt.has_value());
  event.json = settings_.with_envelope
                   ? envelope(decoded->event, request, received, jwt ? &*jwt : nullptr, *decoded)
                   : std::move(decoded->event);
  auto const id = event.id;
  auto const kept = co_await parts_.store.put(std::move(event));
  if (!kept) {
    parts_.log.warning("event not stored", {{"event", id}, {"why", kept.error().what}});
    co_return answer(503, "the event could not be stored; try again");
  }
  if (parts_.log.wants(LogLevel::debug))
    parts_.log.debug("event received",
                     {{"event", id}, {"repeat", *kept == Kept::repeat}, {"signed", !bare}});
  co_return answer(200, *kept == Kept::repeat ? "repeat" : "stored");
}

}  // namespace millrace::receive
