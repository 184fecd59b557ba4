// `millrace serve --demo`: the whole path on one machine, to look at: a made-up Canvas sends a school day over Kinesis, a data stream
// signs and delivers it, a receiver in a process of its own verifies it and writes files.
#pragma once
#include "cli/settings.h"
#include "commands/command.h"

namespace millrace::cli {

// In ./demo, or in DIR/demo when the data folder DIR was named.
commands::Exit run_demo(Settings settings, bool folder_named);

}  // namespace millrace::cli
