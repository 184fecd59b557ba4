// A TLS server for tests that wants to see a client certificate.
#pragma once
#include <memory>
#include <string>

#include "http/tls_settings.h"
#include "testing/certificates.h"

namespace millrace::testing {

// Shows `leaf`, and takes only clients whose certificate one of `authorities_pem` has signed.
std::shared_ptr<http::TlsServer const> demanding_server(Certificate const& leaf,
                                                        std::string const& authorities_pem);

}  // namespace millrace::testing
