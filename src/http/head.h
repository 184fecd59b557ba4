// The head of an HTTP/1 message: its end found while bytes arrive, its lines checked more strictly than http_parser does.
//   Two opinions: a head counts only when both this file and http_parser accept it; http_parser then decides the framing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::http {

struct Field {
  std::string_view name;
  std::string_view value;  // without the spaces around it
};

bool same_name(std::string_view a, std::string_view b);  // whatever the case, ASCII
bool is_token(std::string_view text);                    // RFC 9110 section 5.6.2

// Finds where a head ends. Lines end in CRLF only.
class HeadEnd {
 public:
  enum class State : std::uint8_t { more, found, bad };
  // `bytes`: all since the head's first byte; a later call brings the same bytes and more.
  State scan(std::string_view bytes);
  bool begun() const { return seen_ > 0; }
  std::size_t size() const { return line_; }  // of a found head, with its empty line

 private:
  std::size_t line_ = 0;  // where the current line begins
  std::size_t seen_ = 0;
};

struct RequestHead {
  std::string_view method;
  std::string_view target;
};

// What http_parser says of a head.
struct Framing {
  int status = 0;  // of an answer
  int minor = 1;   // HTTP/1.x
  bool chunked = false;
  bool has_length = false;
  std::uint64_t length = 0;
  bool keep_alive = false;
};

struct BadHead {
  int status;  // what a server answers
  char const* why;
};

// Both take a whole head, with its empty line; the views point into it. `fields` is emptied first, so that its memory is used again.
std::optional<BadHead> read_request_head(std::string_view head, RequestHead& request,
                                         std::vector<Field>& fields, Framing& framing);
std::optional<BadHead> read_answer_head(std::string_view head, std::vector<Field>& fields,
                                        Framing& framing);

}  // namespace millrace::http
