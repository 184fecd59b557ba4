#include "http/blame.h"

#include <ares.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>

namespace millrace::http {
namespace {

// What every server for the name says, or what is wrong with the name itself.
constexpr auto names_of_endpoint =
    std::to_array<int>({ARES_ENOTFOUND, ARES_ENODATA, ARES_EBADNAME, ARES_EBADRESP});
// One server is before us, others are behind the name: which of them fails, another name tells.
constexpr auto names_of_both =
    std::to_array<int>({ARES_ESERVFAIL, ARES_EREFUSED, ARES_ECONNREFUSED, ARES_ETIMEOUT,
                        ARES_EFORMERR, ARES_ENOTIMP, ARES_EOF});

constexpr auto certificates_of_ours =
    std::to_array<int>({X509_V_ERR_OUT_OF_MEM, X509_V_ERR_STORE_LOOKUP, X509_V_ERR_INVALID_CALL,
                        X509_V_ERR_UNSPECIFIED});
// To a clock of ours that is behind, the certificates of all endpoints begin in the future.
constexpr auto certificates_of_both =
    std::to_array<int>({X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CRL_NOT_YET_VALID});

constexpr auto certificates_of_strangers = std::to_array<int>(
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
     X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE});

bool is_in(auto const& codes, int code) { return std::ranges::find(codes, code) != codes.end(); }

}  // namespace

// The others are c-ares's own: no memory, no settings, a wrong call, the end of its channel.
Blame blame_of_name(int status) {
  if (is_in(names_of_endpoint, status)) return Blame::endpoint;
  return is_in(names_of_both, status) ? Blame::ambiguous : Blame::ours;
}

Blame blame_of_certificate(int error) {
  if (is_in(certificates_of_ours, error)) return Blame::ours;
  return is_in(certificates_of_both, error) ? Blame::ambiguous : Blame::endpoint;
}

bool is_about_authority(int error) { return is_in(certificates_of_strangers, error); }

Blame blame_of_tls(unsigned long code) {
  if (ERR_SYSTEM_ERROR(code)) return blame_of_errno(ERR_GET_REASON(code));
  int const reason = ERR_GET_REASON(code);
  bool const ours =
      reason == ERR_R_MALLOC_FAILURE || reason == ERR_R_INTERNAL_ERROR || reason == ERR_R_INIT_FAIL;
  return ours ? Blame::ours : Blame::endpoint;
}

}  // namespace millrace::http
