#include "ingest/problem.h"

#include "json/write.h"

namespace millrace::ingest {

http::ServerResponse problem(int status, std::string_view title, std::string_view detail) {
  json::Writer w;
  w.begin_object()
      .key("type")
      .text("about:blank")
      .key("title")
      .text(title)
      .key("status")
      .number(status);
  w.key("detail").text(detail).end_object();
  return {status, {{"Content-Type", "application/problem+json"}}, std::move(w).take()};
}

}  // namespace millrace::ingest
