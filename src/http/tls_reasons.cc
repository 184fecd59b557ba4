#include "http/tls_reasons.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

#include "http/tls_identity.h"

namespace millrace::http {
namespace {

// What a certificate says of itself is a stranger's text.
std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (char const c : text.substr(0, limit)) out += c >= 0x20 && c < 0x7f ? c : '?';
  if (text.size() > limit) out += "...";
  return out;
}

std::string name_text(X509_NAME const* name) {
  std::unique_ptr<BIO, decltype(&BIO_free)> const memory(BIO_new(BIO_s_mem()), &BIO_free);
  X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  auto const size = BIO_get_mem_data(memory.get(), &text);
  if (size <= 0) return "an authority without a name";
  return printable({text, static_cast<std::size_t>(size)}, 200);
}

std::string names_of(X509* certificate) {
  constexpr int shown = 3;
  std::string text;
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> const names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  int const count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count && i < shown; ++i) {
    auto const* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (i > 0) text += ", ";
    if (name->type == GEN_DNS) {
      text += printable({reinterpret_cast<char const*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))},
                        100);
    } else if (name->type == GEN_IPADD) {
      auto const* const data = ASN1_STRING_get0_data(name->d.iPAddress);
      if (ASN1_STRING_length(name->d.iPAddress) == 4)
        text += fmt::format("{}.{}.{}.{}", data[0], data[1], data[2], data[3]);
      else
        text += "an IPv6 address";
    } else {
      text += "something else";
    }
  }
  if (count > shown) text += fmt::format(" and {} more", count - shown);
  return count == 0 ? name_text(X509_get_subject_name(certificate)) : text;
}

std::string signature_text(X509* certificate) {
  int const kind = X509_get_signature_nid(certificate);
  char const* const name = OBJ_nid2ln(kind);
  return name != nullptr ? name : "an unknown algorithm";
}

// What the server's alert says of us; empty: nothing that a person could act on.
std::string alert_text(int alert, TlsMoment const& moment) {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
      if (moment.asked && !moment.had_one) return "it wants a client certificate";
      if (moment.asked)
        return fmt::format("it does not accept our client certificate ({})",
                           SSL_alert_desc_string_long(alert));
      if (alert == SSL_AD_HANDSHAKE_FAILURE) return "it accepts none of our ciphers";
      break;
    case SSL_AD_INSUFFICIENT_SECURITY:
      return "it accepts none of our ciphers";
    case SSL_AD_INTERNAL_ERROR:
      return "it has an internal error";
    case SSL_AD_UNRECOGNIZED_NAME:
      return fmt::format("it does not know the name {}", moment.server);
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "it takes no protocol that we offer (ALPN)";
    default:
      break;
  }
  return SSL_alert_desc_string_long(alert);
}

}  // namespace

std::string certificate_trouble(int error, X509* certificate, std::string const& expected_name) {
  if (certificate == nullptr)
    return fmt::format("certificate is refused: {}", X509_verify_cert_error_string(error));
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "certificate expired on " + date_text(X509_get0_notAfter(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "certificate is not valid before " + date_text(X509_get0_notBefore(certificate));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("certificate is for {}, not {}", names_of(certificate), expected_name);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "certificate is signed by itself: " + name_text(X509_get_subject_name(certificate));
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "certificate is issued by an unknown authority: " +
             name_text(X509_get_issuer_name(certificate));
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return fmt::format("certificate of {} is signed in a way that is broken: {}",
                         name_text(X509_get_subject_name(certificate)),
                         signature_text(certificate));
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
      return "certificate has a key that is too short: " +
             name_text(X509_get_subject_name(certificate));
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return "certificate has more than 10 authorities between it and a trusted one";
    case X509_V_ERR_INVALID_PURPOSE:
      return "certificate is not meant for servers: " +
             name_text(X509_get_subject_name(certificate));
    default:
      return fmt::format("certificate is refused: {}", X509_verify_cert_error_string(error));
  }
}

std::string tls_trouble(unsigned long code, TlsMoment const& moment) {
  int const reason = ERR_GET_REASON(code);
  bool const of_tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
  if (of_tls && reason == SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION)
    return "the server offers no TLS 1.2 or later";
  if (of_tls && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
    return fmt::format("the server {}: {}",
                       moment.shaken && !moment.asked ? "broke off" : "refused our handshake",
                       alert_text(reason - SSL_AD_REASON_OFFSET, moment));
  auto const words = [&]() -> std::string {
    if (!of_tls) return {};
    switch (reason) {
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_WRONG_SSL_VERSION:
        return "the server offers no TLS 1.2 or later";
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_PACKET_LENGTH_TOO_LONG:
        return moment.shaken ? "" : "what answers there does not speak TLS";
      case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        return "a message of the server is too large";
      case SSL_R_EE_KEY_TOO_SMALL:
      case SSL_R_DH_KEY_TOO_SMALL:
        return "the server's key is too short";
      default:
        return {};
    }
  }();
  if (!words.empty()) return words;
  char const* const text = ERR_reason_error_string(code);
  auto const said = text != nullptr ? std::string(text) : fmt::format("error {:x}", code);
  return fmt::format("TLS{}: {}", moment.shaken ? "" : " handshake", said);
}

bool is_about_alpn(unsigned long code) {
  return ERR_GET_LIB(code) == ERR_LIB_SSL &&
         ERR_GET_REASON(code) == SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL;
}

CertificateFacts facts_of(X509* certificate) {
  CertificateFacts facts;
  facts.subject = names_of(certificate);
  facts.issuer = name_text(X509_get_issuer_name(certificate));
  facts.valid_to = date_text(X509_get0_notAfter(certificate));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1)
    for (unsigned i = 0; i < size; ++i) facts.sha256 += fmt::format("{:02x}", digest[i]);
  return facts;
}

}  // namespace millrace::http
