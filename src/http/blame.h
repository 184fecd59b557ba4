// Whose fault a failure of names or of TLS is; io/blame.h has the errnos, and what each answer means.
#pragma once
#include "io/blame.h"

namespace millrace::http {

using io::Blame;
using io::blame_of_errno;

Blame blame_of_name(int status);  // ARES_...; of the ambiguous ones Resolver::silence tells more
// X509_V_ERR_...; of the ambiguous ones, which our clock may cause, the certificates of others tell more.
Blame blame_of_certificate(int error);
bool is_about_authority(
    int error);  // nobody whom we trust vouches for it: it may be that we trust nobody
Blame blame_of_tls(unsigned long code);  // ERR_peek_error()'s

}  // namespace millrace::http
