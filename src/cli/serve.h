// The service as a process: from settings to a running node, until a signal.
#pragma once
#include <functional>

#include "cli/settings.h"
#include "commands/command.h"
#include "server/node.h"

namespace millrace::cli {

// Work beside a running node (the demo). begin() is called once the node takes requests, end() when a signal came and before the node
// stops, after() when it has stopped. All on the node's own loop.
class Guest {
 public:
  virtual ~Guest() = default;
  // A failure stops the node, and is what the process says at its end.
  virtual io::Task<Result<void>> begin(server::Node& node, io::Executor loop) = 0;
  virtual io::Task<void> end() = 0;
  virtual io::Task<void> after() = 0;
};

// Runs until SIGTERM or SIGINT, then stops in order; a second signal ends the process at once. `guest` may be null.
commands::Exit serve(Settings settings, Guest* guest);

commands::Command serve_command();

}  // namespace millrace::cli
