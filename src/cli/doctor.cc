#include "cli/commands.h"

namespace millrace::cli {

Command doctor_command() {
  return {.name = "doctor",
          .summary = "Check this machine, and a running service",
          .group = Group::check,
          .examples = "",
          .add = [](CLI::App&) { return [] { return Exit::failed; }; }};
}

}  // namespace millrace::cli
