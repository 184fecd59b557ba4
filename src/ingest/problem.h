// Errors as application/problem+json (RFC 9457): the one place that writes them, for the JSON door here and for the API (api/problem.h).
#pragma once
#include <string>
#include <string_view>

#include "http/message.h"

namespace millrace::ingest {

// What tells the two kinds of 422 apart.
inline constexpr std::string_view none_accepted = "urn:millrace:problem:none-accepted";
inline constexpr std::string_view key_reused = "urn:millrace:problem:idempotency-key-reused";

http::ServerResponse problem(int status, std::string_view title, std::string_view detail,
                             std::string_view type = "about:blank");
// The same with more members behind the others: `members` is "\"name\":value,…", valid JSON.
http::ServerResponse problem_with(int status, std::string_view title, std::string_view detail,
                                  std::string_view type, std::string_view members);

}  // namespace millrace::ingest
