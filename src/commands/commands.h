// The subcommands of this room, by the file that defines each.
#pragma once
#include <functional>
#include <vector>

#include "commands/command.h"
#include "commands/credentials.h"

namespace millrace::commands {

Command doctor_command();  // doctor.cc

Command streams_command();       // streams.cc
Command attempts_command();      // attempts.cc
Command undelivered_command();   // undelivered.cc
Command accounts_command();      // accounts.cc
Command audit_command();         // audit.cc
Command dead_letters_command();  // dead_letters.cc
Command keys_command();          // keys.cc
// tokens.cc. `add_offline`: what `tokens add --offline` does with a data folder, which this room knows nothing of.
using AddOffline = std::function<Exit(Credentials const&)>;
Command tokens_command(AddOffline add_offline);
Command access_keys_command();  // access_keys.cc
Command verify_command();       // verify.cc
Command emit_command();         // emit.cc
Command events_command();       // events.cc
Command caliper_command();      // caliper.cc

// All of them, in the order of the help. commands.cc has the list.
std::vector<Command> all_commands(AddOffline add_offline);

}  // namespace millrace::commands
