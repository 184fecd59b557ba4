// What went wrong in TLS, and who the other side is, in words for people. A stranger's text comes out printable and short.
#pragma once
#include <openssl/ssl.h>

#include <string>

#include "http/tls_settings.h"

namespace millrace::http {

// Why the server's certificate is refused. `error` is an X509_V_ERR_...; `certificate` may be null.
std::string certificate_trouble(int error, X509* certificate, std::string const& expected_name);

struct TlsMoment {
  bool shaken = false;      // the handshake was over
  bool asked = false;       // for a certificate of ours
  bool had_one = false;     // to show
  std::string_view server;  // its name
};
// Of an error that OpenSSL gave, or that an alert of the server stands for. `code` is ERR_peek_error()'s.
std::string tls_trouble(unsigned long code, TlsMoment const& moment);
// The server takes none of the protocols that were offered to it (ALPN).
bool is_about_alpn(unsigned long code);

CertificateFacts facts_of(X509* certificate);

}  // namespace millrace::http
