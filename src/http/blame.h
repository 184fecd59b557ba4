// Whose fault a failure of names or of TLS is; io/blame.h has the errnos, and what each answer means.
#pragma once
#include "io/blame.h"

namespace millrace::http {

using io::Blame;
using io::blame_of_errno;

Blame blame_of_name(int status);  // ARES_...; of the ambiguous ones Resolver::silence tells more
Blame blame_of_certificate(int error);   // X509_V_ERR_...
Blame blame_of_tls(unsigned long code);  // ERR_peek_error()'s

}  // namespace millrace::http
