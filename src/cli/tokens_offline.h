// `millrace tokens add --offline`: the way in for whoever has the data folder, and no token left.
#pragma once
#include "commands/credentials.h"

namespace millrace::cli {

// Adds a token to the folder of a service that is stopped, and prints its secret; it blocks. Answers usage for flags that say nothing
// good, failed where the folder has no store, is in use, or cannot be written.
commands::Exit add_token_offline(commands::Credentials const& args);

}  // namespace millrace::cli
