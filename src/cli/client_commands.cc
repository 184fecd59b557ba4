#include "cli/commands.h"

namespace millrace::cli {

std::vector<Command> client_commands() { return {}; }

}  // namespace millrace::cli
