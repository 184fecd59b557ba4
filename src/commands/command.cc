#include "commands/command.h"

#include <fmt/format.h>

#include <cstdio>

#include "commands/print.h"

namespace millrace::commands {

void complain(std::string_view what) { fmt::print(stderr, "millrace: {}\n", harmless(what)); }

void remark(std::string_view what) { complain(fmt::format("note: {}", what)); }

Exit failed(Error const& error) {
  complain(error.what);
  return error.fault == Fault::invalid ? Exit::usage : Exit::failed;
}

}  // namespace millrace::commands
