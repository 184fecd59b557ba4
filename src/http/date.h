// The date of answers, as RFC 9110 section 5.6.7 writes it. One loop's: made once a second.
#pragma once
#include <cstdint>
#include <string>

#include "base/time.h"

namespace millrace::http {

class HttpDate {
 public:
  // "Wed, 18 Nov 2026 11:06:40 GMT"
  void append_to(std::string& out, WallTime at);

 private:
  std::string text_;  // of second_
  std::int64_t second_ = 0;
};

}  // namespace millrace::http
