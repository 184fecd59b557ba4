#include "http/blame.h"

#include <ares.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cerrno>
#include <set>

namespace millrace::http {
namespace {

TEST(BlameTest, each_status_of_a_name_server_is_put_where_it_belongs) {
  std::set<int> const endpoint = {ARES_ENOTFOUND, ARES_ENODATA, ARES_EBADNAME, ARES_EBADRESP},
                      both = {ARES_ESERVFAIL, ARES_EREFUSED, ARES_ECONNREFUSED, ARES_ETIMEOUT,
                              ARES_EFORMERR,  ARES_ENOTIMP,  ARES_EOF};
  for (int status = ARES_ENODATA; status <= ARES_ESERVICE; ++status)
    EXPECT_EQ(blame_of_name(status), endpoint.contains(status) ? Blame::endpoint
                                     : both.contains(status)   ? Blame::ambiguous
                                                               : Blame::ours)
        << ares_strerror(status);
}

TEST(BlameTest, each_trouble_with_a_certificate_is_put_where_it_belongs) {
  std::set<int> const ours = {X509_V_ERR_UNSPECIFIED, X509_V_ERR_OUT_OF_MEM,
                              X509_V_ERR_STORE_LOOKUP, X509_V_ERR_INVALID_CALL},
                      both = {X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CRL_NOT_YET_VALID};
  for (int error = X509_V_ERR_UNSPECIFIED; error <= 100; ++error)
    EXPECT_EQ(blame_of_certificate(error), ours.contains(error)   ? Blame::ours
                                           : both.contains(error) ? Blame::ambiguous
                                                                  : Blame::endpoint)
        << X509_verify_cert_error_string(error);
}

TEST(BlameTest, an_authority_may_be_unknown_because_none_is_known) {
  std::set<int> const of_authorities = {
      X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE};
  for (int error = X509_V_ERR_UNSPECIFIED; error <= 100; ++error)
    EXPECT_EQ(is_about_authority(error), of_authorities.contains(error))
        << X509_verify_cert_error_string(error);
}

TEST(BlameTest, what_TLS_says_is_the_endpoints_but_for_memory_and_errnos_of_ours) {
  auto const of_tls = [](int reason) { return ERR_PACK(ERR_LIB_SSL, 0, reason); };
  for (int alert = 0; alert < 256; ++alert)
    EXPECT_EQ(blame_of_tls(of_tls(SSL_AD_REASON_OFFSET + alert)), Blame::endpoint) << alert;
  EXPECT_EQ(blame_of_tls(of_tls(SSL_R_WRONG_VERSION_NUMBER)), Blame::endpoint);
  EXPECT_EQ(blame_of_tls(of_tls(SSL_R_UNSUPPORTED_PROTOCOL)), Blame::endpoint);
  EXPECT_EQ(blame_of_tls(of_tls(ERR_R_MALLOC_FAILURE)), Blame::ours);
  EXPECT_EQ(blame_of_tls(of_tls(ERR_R_INTERNAL_ERROR)), Blame::ours);
  unsigned long const system = ERR_SYSTEM_FLAG;
  EXPECT_EQ(blame_of_tls(system | ENETUNREACH), Blame::ours);
  EXPECT_EQ(blame_of_tls(system | ECONNRESET), Blame::endpoint);
}

}  // namespace
}  // namespace millrace::http
