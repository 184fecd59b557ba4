// The flags, words and subcommands of a command, and what they are read into. CLI11 is behind it, and nowhere else but in main.cc and usage.cc:
// compiling it costs more than a command does.
//   Lifetime  Both are handles: what they belong to is the whole command line, and so must what is read into be.
//   Failures  What a user writes wrongly ends the reading, by an exception that main.cc makes a line of (usage.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace millrace::commands {

// One of them. Each method answers itself, for the next.
class Flag {
 public:
  explicit Flag(CLI::Option* option) : option_(option) {}
  Flag required(bool is_required = true) const;
  Flag type_name(std::string const& shown) const;  // in the help: "URL"
  Flag group(std::string const& heading) const;    // in the help
  Flag one_of(
      std::initializer_list<char const*> words) const;  // the fault names them all, and the nearest
  Flag between(int least, int most) const;              // both are allowed
  Flag excludes(Flag other) const;
  Flag envname(
      std::string const& variable) const;  // of the environment: read where the flag is not given

 private:
  CLI::Option* option_;
};

class Flags {
 public:
  explicit Flags(CLI::App& app) : app_(&app) {}

  // `name`: "--limit", "--yes,-y", or "ID" of a word without a flag. What is read into keeps its value where nothing is given.
  Flag add_option(std::string const& name, std::string& into, std::string const& help) const;
  Flag add_option(std::string const& name, std::optional<std::string>& into,
                  std::string const& help) const;
  Flag add_option(std::string const& name, std::vector<std::string>& into,
                  std::string const& help) const;  // again for more
  Flag add_option(std::string const& name, int& into, std::string const& help) const;
  Flag add_option(std::string const& name, std::uint64_t& into, std::string const& help) const;
  Flag add_option(std::string const& name, std::optional<std::size_t>& into,
                  std::string const& help) const;
  Flag add_option(std::string const& name, double& into, std::string const& help) const;
  Flag add_option_function(std::string const& name, std::function<void(std::string const&)> take,
                           std::string const& help) const;  // it may refuse()
  Flag add_flag(std::string const& name, bool& into, std::string const& help) const;
  Flag add_flag_callback(std::string const& name, std::function<void()> given,
                         std::string const& help) const;

  Flags add_subcommand(std::string const& name, std::string const& summary) const;
  void require_subcommand(int how_many) const;
  void callback(std::function<void()> chosen) const;  // called when all is read
  bool parsed() const;                                // this subcommand was given

 private:
  CLI::App* app_;
};

// The value of a flag cannot be taken: "is empty; give a URL".
[[noreturn]] void refuse(std::string const& name, std::string const& why);

}  // namespace millrace::commands
