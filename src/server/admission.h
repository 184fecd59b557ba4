// Whose the body of a request is, by its head alone: which share of the memory for bodies it may use (http/server.h: BodyShare).
//   A hint, not a proof: of an AWS signature the key id and the date are looked at, the signature needs the body. Whoever guesses a key id
//   reaches into that key's share, and no further. Handlers authenticate as if nobody had looked.
#pragma once
#include "http_server/server.h"
#include "io/clock.h"
#include "model/access.h"

namespace millrace::server {

// Of the whole memory for bodies `whole`:
//   a token that exists, a key id that exists with a date within 5 minutes: a quarter, for each token or key;
//   with `any_signature` all key ids together: a quarter;
//   everybody else together: 32 MiB (or a quarter, if that is less) and 64 bodies, and they do not wait.
// `credentials` and `clock` outlive it.
http::server::Admission admit_by_credentials(model::Credentials const& credentials,
                                             io::Clock const& clock, std::size_t whole,
                                             bool any_signature);

}  // namespace millrace::server
