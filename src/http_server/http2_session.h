// HTTP/2 on a connection of the serving side: requests as they become whole, each with a handler of its own at work, answers as they are
// ready. http2_serving.h decides; this moves bytes.
#pragma once
#include <memory>
#include <string_view>

#include "http_server/serving.h"

namespace millrace::http::server {

// What a client says first when it knows that HTTP/2 is spoken (RFC 9113 section 3.4).
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// `connection` outlives it; its Input may hold what came.
std::unique_ptr<Session> http2_session(Connection& connection);

}  // namespace millrace::http::server
