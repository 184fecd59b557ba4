#include "testing/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace millrace::testing {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Cert = std::unique_ptr<X509, decltype(&X509_free)>;

Key make_key() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
  check(key != nullptr, "a key can be made");
  return key;
}

template <class Write>
std::string pem_of(Write write) {
  std::unique_ptr<BIO, decltype(&BIO_free)> const memory(BIO_new(BIO_s_mem()), &BIO_free);
  check(write(memory.get()) == 1, "a PEM can be written");
  char* text = nullptr;
  auto const size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  return pem_of([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}
std::string pem_of(EVP_PKEY* key) {
  return pem_of([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

void set_name(X509_NAME* name, std::string const& common_name) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<unsigned char const*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
}

void extend(X509* certificate, int kind, std::string const& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> const extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), &X509_EXTENSION_free);
  check(extension != nullptr, "a certificate's extension is valid");
  X509_add_ext(certificate, extension.get(), -1);
}

Cert make_certificate(EVP_PKEY* key, std::string const& common_name, std::chrono::hours from,
                      std::chrono::hours to) {
  Cert certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  unsigned char serial[8];
  RAND_bytes(serial, sizeof serial);
  std::uint64_t number = 0;
  for (unsigned char const byte : serial) number = number << 8 | byte;
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), number >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), std::chrono::seconds(from).count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), std::chrono::seconds(to).count());
  X509_set_pubkey(certificate.get(), key);
  set_name(X509_get_subject_name(certificate.get()), common_name);
  return certificate;
}

std::string common_name_of(LeafRequest const& request) {
  if (!request.names.empty()) return request.names.front();
  return request.addresses.empty() ? "nobody" : request.addresses.front();
}

void add_names(X509* certificate, LeafRequest const& request) {
  std::string names;
  for (auto const& name : request.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (auto const& address : request.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
  if (!names.empty()) extend(certificate, NID_subject_alt_name, names);
}

}  // namespace

struct CertificateAuthority::Parts {
  Key key = make_key();
  Cert certificate{nullptr, &X509_free};
};

CertificateAuthority::CertificateAuthority(std::string common_name)
    : parts_(std::make_unique<Parts>()) {
  auto certificate = make_certificate(parts_->key.get(), common_name, std::chrono::hours(-48),
                                      std::chrono::hours(48));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  extend(certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  check(X509_sign(certificate.get(), parts_->key.get(), EVP_sha256()) > 0,
        "a certificate can be signed");
  pem_ = pem_of(certificate.get());
  parts_->certificate = std::move(certificate);
}

CertificateAuthority::~CertificateAuthority() = default;

Certificate CertificateAuthority::leaf(LeafRequest const& request) const {
  auto const sign = [](X509* certificate, X509* issuer, EVP_PKEY* key, EVP_MD const* digest) {
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    check(X509_sign(certificate, key, digest) > 0, "a certificate can be signed");
  };
  std::string links;
  std::vector<std::pair<Key, Cert>> between;
  for (int i = 0; i < request.below; ++i) {
    auto key = make_key();
    auto link = make_certificate(key.get(), "Link " + std::to_string(i + 1),
                                 std::chrono::hours(-48), std::chrono::hours(48));
    extend(link.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(link.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    sign(link.get(), between.empty() ? parts_->certificate.get() : between.back().second.get(),
         between.empty() ? parts_->key.get() : between.back().first.get(), EVP_sha256());
    links = pem_of(link.get()) + links;
    between.emplace_back(std::move(key), std::move(link));
  }
  auto const key = make_key();
  auto const certificate =
      make_certificate(key.get(), common_name_of(request), request.valid_from, request.valid_to);
  add_names(certificate.get(), request);
  sign(certificate.get(), between.empty() ? parts_->certificate.get() : between.back().second.get(),
       between.empty() ? parts_->key.get() : between.back().first.get(),
       EVP_get_digestbyname(request.digest.c_str()));
  return {pem_of(certificate.get()) + links, pem_of(key.get())};
}

Certificate self_signed(LeafRequest const& request) {
  auto const key = make_key();
  auto const certificate =
      make_certificate(key.get(), common_name_of(request), request.valid_from, request.valid_to);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  add_names(certificate.get(), request);
  check(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "a certificate can be signed");
  return {pem_of(certificate.get()), pem_of(key.get())};
}

TemporaryFiles::TemporaryFiles() {
  auto pattern = (std::filesystem::temp_directory_path() / "millrace-test-XXXXXX").string();
  check(::mkdtemp(pattern.data()) != nullptr, "a temporary folder can be made");
  folder_ = pattern;
}

TemporaryFiles::~TemporaryFiles() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TemporaryFiles::write(std::string const& name, std::string const& content) const {
  auto path = folder_ + "/" + name;
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  check(file != nullptr && std::fwrite(content.data(), 1, content.size(), file) == content.size(),
        "a temporary file can be written");
  check(std::fclose(file) == 0, "a temporary file can be written");
  return path;
}

}  // namespace millrace::testing
