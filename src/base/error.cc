#include "base/error.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace millrace {

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::invalid:
      return "invalid";
    case Fault::denied:
      return "denied";
    case Fault::missing:
      return "missing";
    case Fault::conflict:
      return "conflict";
    case Fault::busy:
      return "busy";
    case Fault::unreachable:
      return "unreachable";
    case Fault::uncertain:
      return "uncertain";
    case Fault::corrupt:
      return "corrupt";
    case Fault::io:
      return "io";
    case Fault::fenced:
      return "fenced";
  }
  std::abort();
}

void check(bool claim, std::string_view claimed, std::source_location where) {
  if (claim) [[likely]]
    return;
  fmt::print(stderr, "millrace: broken claim at {}:{}: {}\n", where.file_name(), where.line(),
             claimed);
  std::abort();
}

}  // namespace millrace
