#include "http_server/http1_answer.h"

#include <fmt/format.h>
#include <http_parser.h>

#include <iterator>

namespace millrace::http::server {
namespace {

// A header line must not end early, whatever a handler put into it.
void append_clean(std::string& out, std::string_view text) {
  for (char const c : text) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

void append_framing(std::string& out, ServerResponse const& response, AnswerForm const& form) {
  if (has_body(response.status)) {
    if (!response.more)
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
    else if (form.minor == 1)
      out += "Transfer-Encoding: chunked\r\n";
  }
  if (form.close)
    out += "Connection: close\r\n";
  else if (form.minor == 0)
    out += "Connection: keep-alive\r\n";
}

}  // namespace

std::string render_start(ServerResponse const& response, AnswerForm const& form, ServerLoop& loop) {
  auto out = fmt::format("HTTP/1.1 {} {}\r\nDate: ", response.status,
                         http_status_str(static_cast<http_status>(response.status)));
  loop.date.append_to(out, loop.core.clock.wall());
  out += "\r\n";
  for (auto const& header : response.headers) {
    append_clean(out, header.name);
    out += ": ";
    append_clean(out, header.value);
    out += "\r\n";
  }
  append_framing(out, response, form);
  out += "\r\n";
  return out;
}

std::string render_chunk(std::string_view piece) {
  return fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
}

std::string render_refusal(Refusal const& refusal, ServerLoop& loop) {
  ServerResponse response;
  response.status = refusal.status;
  response.headers.push_back({"Content-Type", "text/plain"});
  if (refusal.status == 503) response.headers.push_back({"Retry-After", "1"});
  response.body = fmt::format("{}\n", refusal.why);
  return render_start(response, {.close = true}, loop) + response.body;
}

}  // namespace millrace::http::server
