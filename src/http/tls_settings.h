// TLS as users give it: whom a client trusts and who it is, the certificate of a server; and what is told of a peer's certificate.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"

namespace millrace::http {

class TlsClient;

struct TlsSettings {
  std::string extra_ca_file{};  // PEM; beside the system's trust store
  std::string extra_ca{};       // the same, as text
  std::string certificate{};    // PEM, leaf first: shown to a server that asks; empty: none
  std::string key{};            // PEM, of that leaf, without a pass phrase
  // If any: what it trusts is trusted (and shared in memory) instead of the system's store and `extra_ca_file`, which take
  // tens of milliseconds to read.
  std::shared_ptr<TlsClient const> base{};
};

// Whom to trust, and who we are. For Clients of any loop. Fails with: invalid, missing (the CA file), io.
Result<std::shared_ptr<TlsClient const>> make_tls_client(TlsSettings const& settings);

// A certificate chain and its key, for serving https.
class TlsServer;
// Both PEM. TLS 1.2 and 1.3, ALPN "h2" and "http/1.1". Fails with: missing, invalid (not PEM, or the key is of another certificate).
Result<std::shared_ptr<TlsServer const>> make_tls_server(std::string const& certificate_file,
                                                         std::string const& key_file);

struct CertificateFacts {  // of a peer; a stranger's text, printable
  std::string subject;     // its names, else its subject: "hooks.example.edu, *.example.edu"
  std::string issuer;      // "CN=R11,O=Let's Encrypt,C=US"
  std::string valid_to;    // "2027-02-01"
  std::string sha256;      // of the certificate, hexadecimal
};

}  // namespace millrace::http
