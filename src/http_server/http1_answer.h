// How an answer stands on an HTTP/1 connection.
#pragma once
#include <string>

#include "http_server/serving.h"

namespace millrace::http::server {

struct AnswerForm {
  int minor = 1;           // of the request's HTTP/1.x
  bool head_only = false;  // the request's method was HEAD
  bool close = false;      // the connection ends behind it
};

// All in front of the body: status, headers, and how the body is framed: by its length, or in chunks where more comes.
std::string render_start(ServerResponse const& response, AnswerForm const& form, ServerLoop& loop);
// A piece as a chunk; an empty one is the last.
std::string render_chunk(std::string_view piece);
// A whole answer, the last of its connection.
std::string render_refusal(Refusal const& refusal, ServerLoop& loop);

}  // namespace millrace::http::server
