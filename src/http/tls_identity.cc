#include "http/tls_identity.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <string_view>

namespace millrace::http {
namespace {

using MemoryText = std::unique_ptr<BIO, decltype(&BIO_free)>;

MemoryText memory_text(std::string const& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

// Nobody is there to be asked for a pass phrase.
int no_pass_phrase(char*, int, int, void*) { return 0; }

}  // namespace

std::string library_error() {
  auto const code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  char const* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("error {:x}", code);
}

std::string date_text(ASN1_TIME const* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  return fmt::format("{:%Y-%m-%d}", parts);
}

std::string subject_of(TlsPart part) {
  switch (part) {
    case TlsPart::authorities:
      return "certificate authorities: ";
    case TlsPart::certificate:
      return "client certificate: ";
    case TlsPart::key:
      return "key of the client certificate: ";
  }
  std::abort();
}

TlsIdentity::TlsIdentity(TlsSettings const& settings) {
  if (!settings.extra_ca.empty())
    authorities_ = certificates(TlsPart::authorities, settings.extra_ca);
  if (!settings.certificate.empty())
    chain_ = certificates(TlsPart::certificate, settings.certificate);
  if (!settings.certificate.empty() || !settings.key.empty()) read_key(settings);
}

TlsIdentity::Certificates TlsIdentity::certificates(TlsPart part, std::string const& text) {
  Certificates found;
  // Certificates are shown to whoever may see the stream; a key that slipped in would be, too.
  if (text.contains("PRIVATE KEY-----"))
    return wrong(part, "holds a private key, which must not stand there"), std::move(found);
  ERR_clear_error();
  auto const memory = memory_text(text);
  while (auto* const one = PEM_read_bio_X509(memory.get(), nullptr, no_pass_phrase, nullptr))
    found.emplace_back(one);
  auto const end = ERR_peek_last_error();
  bool const is_end = ERR_GET_LIB(end) == ERR_LIB_PEM && ERR_GET_REASON(end) == PEM_R_NO_START_LINE;
  if (!is_end) {
    auto const why = library_error();
    wrong(part, fmt::format("holds a certificate that cannot be read, the {}. of them: {}",
                            found.size() + 1, why));
  } else if (found.empty()) {
    wrong(part, "holds no PEM certificate (-----BEGIN CERTIFICATE-----)");
  }
  ERR_clear_error();
  return found;
}

void TlsIdentity::read_key(TlsSettings const& settings) {
  if (settings.certificate.empty()) return wrong(TlsPart::key, "comes without its certificate");
  if (settings.key.empty()) return wrong(TlsPart::key, "is missing: a certificate needs its key");
  if (settings.key.contains("ENCRYPTED"))
    return wrong(TlsPart::key, "is locked with a pass phrase; give it without one");
  ERR_clear_error();
  key_.reset(
      PEM_read_bio_PrivateKey(memory_text(settings.key).get(), nullptr, no_pass_phrase, nullptr));
  ERR_clear_error();
  if (!key_) return wrong(TlsPart::key, "holds no PEM private key that can be read");
  if (!chain_.empty() && X509_check_private_key(chain_.front().get(), key_.get()) != 1)
    wrong(TlsPart::key, "is not the key of the client certificate, which must be the first there");
  ERR_clear_error();
}

std::vector<TlsRemark> TlsIdentity::warnings(WallTime now) const {
  std::vector<TlsRemark> out;
  auto at = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
  auto const look = [&](TlsPart part, X509 const* certificate) {
    auto const* const end = X509_get0_notAfter(certificate);
    auto const* const begin = X509_get0_notBefore(certificate);
    if (X509_cmp_time(end, &at) < 0)
      out.push_back({part, "expired on " + date_text(end)});
    else if (X509_cmp_time(begin, &at) > 0)
      out.push_back({part, "is not valid before " + date_text(begin)});
  };
  for (auto const& one : authorities_) look(TlsPart::authorities, one.get());
  if (!chain_.empty()) look(TlsPart::certificate, chain_.front().get());
  return out;
}

Result<void> TlsIdentity::apply(SSL_CTX* context) const {
  ERR_clear_error();
  auto const refused = [](TlsPart part) {
    return fail(Fault::invalid, subject_of(part) + "cannot be used: " + library_error());
  };
  for (auto const& one : authorities_)
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) != 1)
      return refused(TlsPart::authorities);
  for (std::size_t i = 0; i < chain_.size(); ++i)
    if ((i == 0 ? SSL_CTX_use_certificate(context, chain_[i].get())
                : SSL_CTX_add1_chain_cert(context, chain_[i].get())) != 1)
      return refused(TlsPart::certificate);
  if (key_ && SSL_CTX_use_PrivateKey(context, key_.get()) != 1) return refused(TlsPart::key);
  return {};
}

TlsRemarks tls_remarks(TlsSettings const& settings, WallTime now) {
  TlsIdentity const identity(settings);
  TlsRemarks out{identity.faults(), identity.warnings(now)};
  if (!out.faults.empty()) return out;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> const context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  check(context != nullptr, "OpenSSL has memory");
  if (auto const applied = identity.apply(context.get()); !applied) {
    auto const& what = applied.error().what;
    out.faults.push_back(
        {settings.certificate.empty() ? TlsPart::authorities : TlsPart::certificate,
         what.substr(what.find(": ") + 2)});
  }
  return out;
}

void trust_as(SSL_CTX* context, SSL_CTX* base, bool more) {
  auto* const shared = SSL_CTX_get_cert_store(base);
  if (!more) return SSL_CTX_set1_cert_store(context, shared);
  auto* const own = X509_STORE_new();
  auto* const folder =
      own == nullptr ? nullptr : X509_STORE_add_lookup(own, X509_LOOKUP_hash_dir());
  check(folder != nullptr, "OpenSSL has memory");
  SSL_CTX_set_cert_store(context, own);
  // The certificates are one copy for all; those of the system's folder come when they are needed. A handshake on another thread
  // may be adding some of these.
  X509_LOOKUP_add_dir(folder, nullptr, X509_FILETYPE_DEFAULT);
  check(X509_STORE_lock(shared) == 1, "a store can be locked");
  auto* const all = X509_STORE_get0_objects(shared);
  for (int i = 0; i < sk_X509_OBJECT_num(all); ++i)
    if (auto* const one = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i)))
      X509_STORE_add_cert(own, one);
  X509_STORE_unlock(shared);
  ERR_clear_error();
}

}  // namespace millrace::http
