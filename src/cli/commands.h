// All subcommands, by the file that defines each.
#pragma once
#include <vector>

#include "cli/command.h"

namespace millrace::cli {

Command serve_command();   // serve.cc
Command doctor_command();  // doctor.cc

Command streams_command();       // streams.cc
Command attempts_command();      // attempts.cc
Command undelivered_command();   // undelivered.cc
Command accounts_command();      // accounts.cc
Command audit_command();         // audit.cc
Command dead_letters_command();  // dead_letters.cc
Command keys_command();          // keys.cc
Command tokens_command();        // tokens.cc
Command access_keys_command();   // access_keys.cc
Command verify_command();        // verify.cc
Command emit_command();          // emit.cc
Command receive_command();       // receive.cc
Command events_command();        // events.cc
Command caliper_command();       // caliper.cc

// Those that talk to a server, or stand alone: the list is in client_commands.cc.
std::vector<Command> client_commands();

}  // namespace millrace::cli
