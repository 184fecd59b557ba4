#include "ingest/problem.h"

#include <fmt/format.h>

#include "json/write.h"

namespace millrace::ingest {

http::ServerResponse problem_with(int status, std::string_view title, std::string_view detail,
                                  std::string_view type, std::string_view members) {
  json::Writer w;
  w.begin_object().key("type").text(type).key("title").text(title).key("status").number(status);
  w.key("detail").text(detail).end_object();
  auto body = std::move(w).take();
  if (!members.empty()) body.replace(body.size() - 1, 1, fmt::format(",{}}}", members));
  return {status, {{"Content-Type", "application/problem+json"}}, std::move(body)};
}

http::ServerResponse problem(int status, std::string_view title, std::string_view detail,
                             std::string_view type) {
  return problem_with(status, title, detail, type, {});
}

}  // namespace millrace::ingest
