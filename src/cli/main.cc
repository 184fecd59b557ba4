// `millrace`: finds the subcommand, reads its flags, runs it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/version.h"
#include "cli/receive.h"
#include "cli/serve.h"
#include "cli/tokens_offline.h"
#include "commands/commands.h"
#include "commands/usage.h"

namespace millrace::cli {
namespace {

struct Heading {
  commands::Group group;
  char const* text;
};
constexpr Heading headings[] = {
    {commands::Group::run, "Run"},       {commands::Group::send, "Send and receive"},
    {commands::Group::manage, "Manage"}, {commands::Group::look, "Look"},
    {commands::Group::check, "Check"},
};

char const* heading_of(commands::Group group) {
  for (auto const& heading : headings)
    if (heading.group == group) return heading.text;
  return "Other";
}

constexpr auto about =
    "Millrace takes the live events of Canvas in (over the Kinesis protocol, or as JSON), keeps "
    "them on disk, and delivers each to every\n"
    "data stream that selects it: by HTTPS, as JSON or as a signed JWT.";

constexpr auto first_steps =
    "First steps:\n"
    "  millrace serve --demo              see it work: a sample day flows from a made-up Canvas to "
    "files\n"
    "  millrace serve --data ./data       run the service; the owner's token is then in "
    "./data/admin.token\n"
    "  millrace doctor --data ./data      check this machine, and the service\n"
    "  millrace COMMAND --help            flags and examples of a command\n"
    "\n"
    "Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 could not reach or do it. Errors "
    "are one line on stderr.";

commands::Command version_command() {
  return {.name = "version",
          .summary = "Print the version",
          .group = commands::Group::check,
          .examples = "",
          .add = [](commands::Flags) {
            return [] {
              fmt::print("millrace {}\n", version);
              return commands::Exit::done;
            };
          }};
}

std::vector<commands::Command> all_commands() {
  std::vector<commands::Command> all;
  all.push_back(serve_command());
  all.push_back(receive_command());
  for (auto& command : commands::all_commands(add_token_offline)) all.push_back(std::move(command));
  all.push_back(version_command());
  return all;
}

int main(int argc, char** argv) {
  CLI::App app(about, "millrace");
  app.require_subcommand(1);
  app.footer(first_steps);
  app.set_version_flag("--version", fmt::format("millrace {}", version));
  app.get_formatter()->column_width(24);

  std::vector<std::pair<CLI::App*, std::function<commands::Exit()>>> runs;
  for (auto const& command : all_commands()) {
    auto* const sub =
        app.add_subcommand(command.name, command.summary)->group(heading_of(command.group));
    if (!command.examples.empty()) sub->footer("Examples:\n" + command.examples);
    runs.emplace_back(sub, command.add(commands::Flags(*sub)));
  }

  if (argc == 1) {
    fmt::print(stderr, "{}", app.help());
    return static_cast<int>(commands::Exit::usage);
  }
  try {
    app.parse(argc, argv);
  } catch (CLI::CallForHelp const& asked) {
    return app.exit(asked);
  } catch (CLI::CallForAllHelp const& asked) {
    return app.exit(asked);
  } catch (CLI::CallForVersion const& asked) {
    return app.exit(asked);
  } catch (CLI::ParseError const& wrong) {
    commands::complain(commands::explain(app, wrong));
    return static_cast<int>(commands::Exit::usage);
  }
  for (auto const& [sub, run] : runs)
    if (sub->parsed()) return static_cast<int>(run());
  return static_cast<int>(commands::Exit::usage);
}

}  // namespace
}  // namespace millrace::cli

int main(int argc, char** argv) { return millrace::cli::main(argc, argv); }
