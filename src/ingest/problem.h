// Errors of the JSON door as application/problem+json (RFC 9457).
#pragma once
#include <string>
#include <string_view>

#include "http/server.h"

namespace millrace::ingest {

http::ServerResponse problem(int status, std::string_view title, std::string_view detail);

}  // namespace millrace::ingest
