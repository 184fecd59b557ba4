#include "commands/usage.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "commands/commands.h"

namespace millrace::commands {
namespace {

// What a command line of the real commands is refused with; empty: it is taken.
std::string refusal(std::vector<std::string> words) {
  CLI::App app("", "millrace");
  app.require_subcommand(1);
  std::vector<std::function<Exit()>> runs;
  for (auto const& command : all_commands([](Credentials const&) { return Exit::done; }))
    runs.push_back(command.add(Flags(*app.add_subcommand(command.name, command.summary))));
  std::ranges::reverse(words);
  try {
    app.parse(words);
  } catch (CLI::ParseError const& wrong) {
    return explain(app, wrong);
  }
  return {};
}

TEST(UsageTest, an_unknown_command_comes_with_the_nearest) {
  EXPECT_EQ(refusal({"strems", "list"}),
            "strems: there is no such command; did you mean `millrace streams`? (see `millrace "
            "--help`)");
  EXPECT_EQ(refusal({"streams", "lst"}),
            "streams lst: there is no such command; did you mean `millrace streams list`? (see "
            "`millrace streams --help`)");
  EXPECT_EQ(refusal({"keys", "frobnicate"}),
            "keys frobnicate: there is no such command; there are list, rotate (see `millrace keys "
            "--help`)");
}

TEST(UsageTest, an_unknown_flag_comes_with_the_nearest) {
  EXPECT_EQ(refusal({"streams", "list", "--sever", "x"}),
            "streams list: --sever: there is no such flag; did you mean --server? (see `millrace "
            "streams list --help`)");
  EXPECT_EQ(refusal({"streams", "show", "x", "--contact_email=y"}),
            "streams show: --contact_email: there is no such flag (see `millrace streams show "
            "--help`)");
  EXPECT_EQ(refusal({"streams", "edit", "x", "--contact_email=y"}),
            "streams edit: --contact_email: there is no such flag; did you mean --contact-email? "
            "(see `millrace streams edit --help`)");
}

TEST(UsageTest, a_flag_before_its_command_is_told_where_it_belongs) {
  EXPECT_EQ(refusal({"streams", "--server", "list"}),
            "streams list: --server: stands before `streams list`; write it behind (see `millrace "
            "streams list --help`)");
}

TEST(UsageTest, all_that_is_missing_is_told_at_once) {
  EXPECT_EQ(refusal({"streams", "add", "--name", "x"}),
            "streams add: needs --url, --account, --event-type, --contact-email (see `millrace "
            "streams add --help`)");
  EXPECT_EQ(refusal({"streams", "show"}),
            "streams show: needs STREAM (see `millrace streams show --help`)");
  EXPECT_EQ(refusal({"dead-letters"}),
            "dead-letters: which of list, show? (see `millrace dead-letters --help`)");
}

TEST(UsageTest, a_word_that_is_none_of_some_comes_with_all_of_them_and_the_nearest) {
  EXPECT_EQ(
      refusal({"attempts", "x", "--outcome", "deliverd"}),
      "attempts: --outcome: deliverd is not one of delivered, failed; did you mean delivered? "
      "(see `millrace attempts --help`)");
}

TEST(UsageTest, contradicting_flags_and_words_too_many_are_refused) {
  EXPECT_NE(refusal({"streams", "edit", "x", "--sign", "--no-sign"}).find("--no-sign"),
            std::string::npos);
  EXPECT_EQ(refusal({"streams", "show", "x", "y"}),
            "streams show: one word too many: y (see `millrace streams show --help`)");
}

}  // namespace
}  // namespace millrace::commands
