// The authorities, the certificate and the key that a user gives for connections of his own: read, looked at, put to use.
//   Threads  Any; pure, but for what apply() changes.
#pragma once
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "http/tls_settings.h"

namespace millrace::http {

enum class TlsPart : std::uint8_t { authorities, certificate, key };

struct TlsRemark {
  TlsPart part;
  std::string what;  // a sentence without its subject: "holds no PEM certificate"
};

struct TlsRemarks {
  std::vector<TlsRemark> faults;    // it cannot be used; at most one a part
  std::vector<TlsRemark> warnings;  // it can, but a peer may refuse it: out of date
};

// Looks at `extra_ca`, `certificate` and `key`. Says nothing of a secret.
TlsRemarks tls_remarks(TlsSettings const& settings, WallTime now);

class TlsIdentity {
 public:
  explicit TlsIdentity(TlsSettings const& settings);
  std::vector<TlsRemark> const& faults() const { return faults_; }
  std::vector<TlsRemark> warnings(WallTime now) const;
  // Only without faults. Fails with: invalid (OpenSSL will not have it: a key that is too short, say).
  Result<void> apply(SSL_CTX* context) const;

 private:
  struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  using Certificates = std::vector<std::unique_ptr<X509, Free>>;
  Certificates certificates(TlsPart part, std::string const& text);
  void read_key(TlsSettings const& settings);
  void wrong(TlsPart part, std::string what) { faults_.push_back({part, std::move(what)}); }

  Certificates authorities_, chain_;  // the chain: leaf first
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::vector<TlsRemark> faults_;
};

// "client certificate: ", for messages that stand alone.
std::string subject_of(TlsPart part);

// Has `context` trust what `base` trusts: the same store, or one of its own with the same certificates if more are to be added.
void trust_as(SSL_CTX* context, SSL_CTX* base, bool more);

// What OpenSSL last complained of on this thread, which is forgotten with it.
std::string library_error();
std::string date_text(ASN1_TIME const* time);  // "2027-02-01"

}  // namespace millrace::http
