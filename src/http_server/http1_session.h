// HTTP/1.0 and 1.1 on a connection of the serving side: one request after another, answers in their order.
#pragma once
#include <memory>

#include "http_server/serving.h"

namespace millrace::http::server {

// `connection` outlives it.
std::unique_ptr<Session> http1_session(Connection& connection);

}  // namespace millrace::http::server
