// `millrace receive https`: a receiver of deliveries, from flags to files, until a signal.
#pragma once
#include "commands/command.h"

namespace millrace::cli {

commands::Command receive_command();

}  // namespace millrace::cli
