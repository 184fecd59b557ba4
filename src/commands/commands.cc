#include "commands/commands.h"

#include <utility>

namespace millrace::commands {

std::vector<Command> all_commands(AddOffline add_offline) {
  return {emit_command(),        streams_command(),      tokens_command(std::move(add_offline)),
          access_keys_command(), keys_command(),         attempts_command(),
          undelivered_command(), dead_letters_command(), events_command(),
          accounts_command(),    audit_command(),        verify_command(),
          caliper_command(),     doctor_command()};
}

}  // namespace millrace::commands
