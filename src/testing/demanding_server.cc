#include "testing/demanding_server.h"

#include "base/error.h"
#include "http/tls.h"

namespace millrace::testing {

std::shared_ptr<http::TlsServer const> demanding_server(Certificate const& leaf,
                                                        std::string const& authorities_pem) {
  TemporaryFiles const files;
  http::SslContext context(SSL_CTX_new(TLS_server_method()));
  check(context != nullptr, "OpenSSL has memory");
  auto const certificate = files.write("cert.pem", leaf.certificate_pem);
  auto const key = files.write("key.pem", leaf.key_pem);
  auto const authorities = files.write("ca.pem", authorities_pem);
  check(SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) == 1 &&
            SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) == 1 &&
            SSL_CTX_load_verify_file(context.get(), authorities.c_str()) == 1,
        "a server can be made of these certificates");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  constexpr unsigned char name[] = "test";
  SSL_CTX_set_session_id_context(context.get(), name, sizeof name);
  return std::make_shared<http::TlsServer const>(std::move(context));
}

}  // namespace millrace::testing
