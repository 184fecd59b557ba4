#include "cli/commands.h"

namespace millrace::cli {

std::vector<Command> client_commands() {
  return {receive_command(),      emit_command(),   streams_command(),  tokens_command(),
          access_keys_command(),  keys_command(),   attempts_command(), undelivered_command(),
          dead_letters_command(), events_command(), accounts_command(), audit_command(),
          verify_command(),       caliper_command()};
}

}  // namespace millrace::cli
