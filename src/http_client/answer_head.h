// The head of an answer (HTTP/1): strictly where it can be, else what is odd but readable.
//   Rule    The final status and its complete header block decide over a delivery. A head counts as complete whatever its lines end in,
//           and whatever is wrong with single lines; what says two things at once does not: lengths that differ, a second status line
//           inside, a NUL, a carriage return within a line.
//   Bounds  The caller's. Of an odd head the fields of its first 16 KiB are given, those whose name and value are proper.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "http/head.h"

namespace millrace::http::client {

// Finds where a head ends: at the first empty line, in CRLF or in LF.
class AnswerEnd {
 public:
  // True: found. `bytes`: all since the head's first byte; a later call brings the same bytes and more.
  bool scan(std::string_view bytes);
  std::size_t size() const { return line_; }  // of a found head, with its empty line

 private:
  std::size_t line_ = 0;  // where the current line begins
  std::size_t seen_ = 0;
};

// Whether an answer may begin so; `bytes` may be fewer than it takes to say.
bool may_begin_answer(std::string_view bytes);

struct AnswerHead {
  Framing framing;            // of an odd one: keep_alive is false
  char const* bad = nullptr;  // why it is none
  char const* odd = nullptr;  // what is wrong with one that is readable
};

// Takes a whole head, with its empty line; the views point into it. `fields` is emptied first, so that its memory is used again.
AnswerHead read_any_answer_head(std::string_view head, std::vector<Field>& fields);

}  // namespace millrace::http::client
