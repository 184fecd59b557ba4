#include "cli/command.h"

#include <fmt/format.h>

#include <cstdio>

namespace millrace::cli {

void complain(std::string_view what) { fmt::print(stderr, "millrace: {}\n", what); }

Exit failed(Error const& error) {
  complain(error.what);
  return error.fault == Fault::invalid ? Exit::usage : Exit::failed;
}

}  // namespace millrace::cli
