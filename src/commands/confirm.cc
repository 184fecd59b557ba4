#include "commands/confirm.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "commands/print.h"

namespace millrace::commands {

void add_yes(Flags app, bool& yes) { app.add_flag("--yes,-y", yes, "Do it without asking"); }

bool is_yes(std::string_view answer) {
  while (answer.ends_with('\r') || answer.ends_with(' ')) answer.remove_suffix(1);
  while (answer.starts_with(' ')) answer.remove_prefix(1);
  return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes" || answer == "YES";
}

std::optional<Exit> unless_sure(std::string_view loss, bool yes) {
  if (yes) return std::nullopt;
  if (::isatty(STDIN_FILENO) == 0) {
    complain(fmt::format("{} Nothing was done: give --yes to do it.", loss));
    return Exit::usage;
  }
  fmt::print(stderr, "{}\nGo on? [y/N] ", harmless(loss));
  std::fflush(stderr);
  std::string answer;
  if (std::getline(std::cin, answer) && is_yes(answer)) return std::nullopt;
  complain("nothing was done");
  return Exit::no;
}

}  // namespace millrace::commands
