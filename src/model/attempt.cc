#include "model/attempt.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "json/write.h"

namespace millrace::model {
namespace {

double ms(Duration span) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(span).count()) /
         1000.0;
}

// "Name: value\n" lines as an object; a name that comes again joins its value to the first, as HTTP allows.
void write_headers(json::Writer& out, std::string_view lines) {
  std::vector<std::pair<std::string, std::string>> headers;
  while (!lines.empty()) {
    auto const line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    auto const colon = line.find(':');
    if (colon == line.npos || colon == 0) continue;
    auto value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    auto const name = line.substr(0, colon);
    auto const same =
        std::ranges::find(headers, name, [](auto const& h) -> std::string_view { return h.first; });
    if (same == headers.end()) {
      headers.emplace_back(name, value);
    } else {
      same->second.append(", ").append(value);
    }
  }
  out.begin_object();
  for (auto const& [name, value] : headers) out.key(name).text(value);
  out.end_object();
}

void write_timing(json::Writer& out, AttemptTiming const& timing) {
  out.begin_object();
  out.key("dns_ms").real(ms(timing.dns)).key("connect_ms").real(ms(timing.connect));
  out.key("tls_ms").real(ms(timing.tls)).key("first_byte_ms").real(ms(timing.first_byte));
  out.key("answer_ms").real(ms(timing.answer)).key("body_ms").real(ms(timing.body));
  out.end_object();
}

void write_certificate(json::Writer& out, PeerCertificate const* certificate) {
  if (certificate == nullptr) {
    out.null();
    return;
  }
  out.begin_object().key("subject").text(certificate->subject);
  out.key("issuer").text(certificate->issuer).key("valid_to").text(certificate->valid_to);
  out.key("sha256").text(certificate->sha256).end_object();
}

}  // namespace

std::string_view name_of(HttpVersion version) {
  switch (version) {
    case HttpVersion::none:
      return "";
    case HttpVersion::http1:
      return "1.1";
    case HttpVersion::http2:
      return "2";
  }
  std::abort();
}

std::string_view name_of(Run run) {
  switch (run) {
    case Run::live:
      return "live";
    case Run::redelivery:
      return "redelivery";
    case Run::replay:
      return "replay";
    case Run::test:
      return "test";
  }
  std::abort();
}

std::string_view name_of(TryKind kind) {
  switch (kind) {
    case TryKind::attempt:
      return "try";
    case TryKind::probe:
      return "probe";
  }
  std::abort();
}

std::string_view name_of(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::delivered:
      return "delivered";
    case AttemptOutcome::failed:
      return "failed";
    case AttemptOutcome::waiting:
      return "waiting";
  }
  std::abort();
}

std::string_view name_of(FailureClass failure) {
  switch (failure) {
    case FailureClass::none:
      return "";
    case FailureClass::timeout:
      return "timeout";
    case FailureClass::http:
      return "http";
    case FailureClass::tls:
      return "tls";
    case FailureClass::connect:
      return "connect";
    case FailureClass::dns:
      return "dns";
    case FailureClass::protocol:
      return "protocol";
    case FailureClass::sqs:
      return "sqs";
    case FailureClass::own_side:
      return "own_side";
  }
  std::abort();
}

std::optional<FailureClass> parse_failure_class(std::string_view name) {
  using enum FailureClass;
  for (auto const failure : {timeout, http, tls, connect, dns, protocol, sqs, own_side})
    if (name_of(failure) == name) return failure;
  return std::nullopt;
}

std::optional<AttemptOutcome> parse_attempt_outcome(std::string_view name) {
  using enum AttemptOutcome;
  for (auto const outcome : {delivered, failed, waiting})
    if (name_of(outcome) == name) return outcome;
  return std::nullopt;
}

std::string to_json(Attempt const& attempt) {
  json::Writer out;
  out.begin_object();
  out.key("event_id").text(attempt.event.text()).key("event_type").text(attempt.event_type);
  out.key("run").text(name_of(attempt.run)).key("kind").text(name_of(attempt.kind));
  out.key("attempt")
      .number(unsigned{attempt.number})
      .key("resent")
      .flag(attempt.resent)
      .key("reused")
      .flag(attempt.reused);
  out.key("at").text(iso_ms(attempt.at)).key("outcome").text(name_of(attempt.outcome));
  out.key("class").text_or_null(name_of(attempt.failure));
  out.key("status");
  if (attempt.status == 0) {
    out.null();
  } else {
    out.number(unsigned{attempt.status});
  }
  out.key("duration_ms").real(ms(attempt.took)).key("address").text_or_null(attempt.address);
  out.key("http_version").text_or_null(name_of(attempt.http));
  out.key("tls_version").text_or_null(attempt.tls_version).key("certificate");
  write_certificate(out, attempt.certificate.get());
  out.key("reason").text_or_null(attempt.reason).key("timing");
  write_timing(out, attempt.timing);
  out.key("response").begin_object().key("headers");
  write_headers(out, attempt.response_headers);
  out.key("body").text(attempt.response_body).end_object().end_object();
  return std::move(out).take();
}

}  // namespace millrace::model
