#include "commands/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "base/nearest.h"

namespace millrace::commands {
namespace {

bool is_listed(CLI::App const* app) { return !app->get_name().empty(); }

// "streams list": the words that lead to `app`, without the program's.
std::string words_to(CLI::App const* app) {
  std::string words;
  for (; app->get_parent() != nullptr; app = app->get_parent())
    words = app->get_name() + (words.empty() ? "" : " ") + words;
  return words;
}

// The command that was read last.
CLI::App* innermost(CLI::App& app) {
  for (auto* const sub : app.get_subcommands())
    if (sub->parsed()) return innermost(*sub);
  return &app;
}

std::string help_of(CLI::App const* app) {
  auto const words = words_to(app);
  return fmt::format(" (see `millrace {}{}--help`)", words, words.empty() ? "" : " ");
}

// Of `app` and of those above it: main reads the words of each.
std::vector<std::string> leftovers(CLI::App const* app) {
  std::vector<std::string> all;
  for (; app != nullptr; app = app->get_parent())
    for (auto const& word : app->remaining()) all.push_back(word);
  return all;
}

std::string unknown_flag(CLI::App const* at, std::string const& word) {
  auto const flag = word.substr(0, word.find('='));
  std::vector<std::string> names;
  for (auto const* option : at->get_options())
    for (auto const& name : option->get_lnames()) names.push_back("--" + name);
  auto const words = words_to(at);
  auto const prefix = words.empty() ? std::string() : words + ": ";
  if (std::ranges::find(names, flag) != names.end())
    return fmt::format("{0}{1}: stands before `{2}`; write it behind", prefix, flag, words);
  Nearest near(flag);
  for (auto const& name : names) near.consider(name);
  return fmt::format("{}{}: there is no such flag{}", prefix, flag, did_you_mean(near.found()));
}

std::string unknown_command(CLI::App const* at, std::string const& word) {
  std::vector<std::string> names;
  for (auto const* sub : at->get_subcommands(is_listed)) names.push_back(sub->get_name());
  Nearest near(word);
  for (auto const& name : names) near.consider(name);
  auto const words = words_to(at);
  auto const before = words.empty() ? words : words + ' ';
  auto const guess = near.found();
  if (!guess.empty())
    return fmt::format("{0}{1}: there is no such command; did you mean `millrace {0}{2}`?", before,
                       word, guess);
  if (names.size() <= 12)
    return fmt::format("{}{}: there is no such command; there are {}", before, word,
                       fmt::join(names, ", "));
  return fmt::format("{}{}: there is no such command", before, word);
}

// A word that nobody takes: an unknown command, an unknown flag, or one word too many. Empty: there is none.
std::string leftover_fault(CLI::App const* at) {
  auto const words = leftovers(at);
  if (words.empty()) return {};
  auto const& word = words.front();
  if (word.size() > 1 && word.starts_with('-')) return unknown_flag(at, word);
  if (!at->get_subcommands(is_listed).empty()) return unknown_command(at, word);
  return fmt::format("{}: one word too many: {}", words_to(at), word);
}

// All that is missing at once.
std::string missing_fault(CLI::App const* at) {
  auto const words = words_to(at);
  std::vector<std::string> missing;
  for (auto const* option : at->get_options())
    if (option->get_required() && option->count() == 0)
      missing.push_back(option->get_lnames().empty() ? option->get_name()
                                                     : "--" + option->get_lnames().front());
  if (!missing.empty()) return fmt::format("{}: needs {}", words, fmt::join(missing, ", "));
  std::vector<std::string> names;
  for (auto const* sub : at->get_subcommands(is_listed)) names.push_back(sub->get_name());
  if (names.empty()) return {};
  return fmt::format("{}: which of {}?", words.empty() ? "a command is needed" : words,
                     fmt::join(names, ", "));
}

}  // namespace

CLI::Validator one_of(std::initializer_list<char const*> words) {
  std::vector<std::string> const known(words.begin(), words.end());
  CLI::Validator validator(
      [known](std::string& value) -> std::string {
        if (std::ranges::find(known, value) != known.end()) return {};
        Nearest near(value);
        for (auto const& word : known) near.consider(word);
        return fmt::format("{} is not one of {}{}", value, fmt::join(known, ", "),
                           did_you_mean(near.found()));
      },
      fmt::format("{}", fmt::join(known, "|")));
  return validator;
}

std::string explain(CLI::App& app, CLI::ParseError const& wrong) {
  auto const* const at = innermost(app);
  auto const help = help_of(at);
  if (auto const fault = leftover_fault(at); !fault.empty()) return fault + help;
  if (wrong.get_name() == "RequiredError")
    if (auto const fault = missing_fault(at); !fault.empty()) return fault + help;
  auto const words = words_to(at);
  return fmt::format("{}{}{}{}", words, words.empty() ? "" : ": ", wrong.what(), help);
}

}  // namespace millrace::commands
