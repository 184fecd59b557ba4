// HTTP/1.0 and 1.1 on a connection of the serving side: one request after another, answers in their order.
#pragma once
#include <memory>

#include "http/serving.h"

namespace millrace::http {

// `connection` outlives it.
std::unique_ptr<Session> http1_session(Connection& connection);

}  // namespace millrace::http
