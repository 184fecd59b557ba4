// A subcommand of `millrace`: what main.cc needs to list it, to read its flags and to run it.
//   To add one: a function that makes a Command, declared in commands.h, and a word in the table of commands.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "commands/flags.h"

namespace millrace::commands {

// What the process ends with (docs/manual.md).
enum class Exit : std::uint8_t {
  done = 0,
  no = 1,      // the answer is no: a check failed
  usage = 2,   // wrong usage
  failed = 3,  // could not reach or do it
};

// Headings of `millrace --help`.
enum class Group : std::uint8_t { run, send, look, manage, check };

struct Command {
  std::string name;
  std::string summary;  // one line, without a full stop
  Group group = Group::run;
  std::string examples;  // lines that a newcomer can copy, "millrace …", shown below --help of the
                         // command; may be empty
  // Adds the command's options and own subcommands to `app`, and returns what to run once they are
  // read. It is called once; what the options are written into must be kept alive by the returned
  // function.
  std::function<std::function<Exit()>(Flags app)> add;
};

// Writes the one line that an error gets, "millrace: WHAT", to stderr, without control characters.
void complain(std::string_view what);
// The same for what is no error but should be known: "millrace: note: WHAT".
void remark(std::string_view what);
// complain(), then the status that fits the fault: usage for invalid, failed for all else.
Exit failed(Error const& error);

}  // namespace millrace::commands
