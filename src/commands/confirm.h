// The question before what cannot be undone.
#pragma once
#include <optional>
#include <string_view>

#include "commands/command.h"

namespace millrace::commands {

// Adds --yes.
void add_yes(Flags app, bool& yes);

// nullopt: go on, because `yes` or because the person said so at the terminal. Else nothing is to be done, and this is what the command
// ends with: no (the person did not say yes), usage (there is nobody to ask). `loss`: a sentence that says what is lost, in numbers.
std::optional<Exit> unless_sure(std::string_view loss, bool yes);

// Whether an answer at the terminal means yes. Pure.
bool is_yes(std::string_view answer);

}  // namespace millrace::commands
