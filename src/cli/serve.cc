#include "cli/commands.h"

namespace millrace::cli {

Command serve_command() {
  return {.name = "serve",
          .summary = "Run the service",
          .group = Group::run,
          .examples = "",
          .add = [](CLI::App&) { return [] { return Exit::failed; }; }};
}

}  // namespace millrace::cli
