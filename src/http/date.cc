#include "http/date.h"

#include <fmt/chrono.h>

namespace millrace::http {

void HttpDate::append_to(std::string& out, WallTime at) {
  auto const second =
      std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
  if (second != second_ || text_.empty()) {
    second_ = second;
    text_ =
        fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(second)));
  }
  out += text_;
}

}  // namespace millrace::http
