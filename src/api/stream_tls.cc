// The border for what a stream brings to TLS: this room may use OpenSSL, the model may not.
#include "api/streams.h"
#include "http/tls_identity.h"

namespace millrace::api {
namespace {

http::TlsRemarks remarks(model::DataStream const& stream, WallTime now) {
  auto const& tls = stream.delivery.tls;
  if (tls.is_empty()) return {};
  return http::tls_remarks({.extra_ca = tls.ca_certificates.value_or(""),
                            .certificate = tls.client_certificate.value_or(""),
                            .key = tls.client_key.value_or("")},
                           now);
}

std::string field_of(http::TlsPart part) {
  switch (part) {
    case http::TlsPart::authorities:
      return "/delivery/tls/ca_certificates";
    case http::TlsPart::certificate:
      return "/delivery/tls/client_certificate";
    case http::TlsPart::key:
      return "/delivery/tls/client_key";
  }
  std::abort();
}

}  // namespace

FieldFaults tls_faults(model::DataStream const& stream, WallTime now) {
  FieldFaults faults;
  for (auto const& [part, what] : remarks(stream, now).faults)
    faults.push_back({field_of(part), what});
  return faults;
}

std::vector<std::string> tls_warnings(model::DataStream const& stream, WallTime now) {
  std::vector<std::string> warnings;
  for (auto const& [part, what] : remarks(stream, now).warnings)
    warnings.push_back(http::subject_of(part) + what);
  return warnings;
}

}  // namespace millrace::api
