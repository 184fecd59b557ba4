#include "commands/flags.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "commands/usage.h"

namespace millrace::commands {

Flag Flag::required(bool is_required) const { return option_->required(is_required), *this; }

Flag Flag::type_name(std::string const& shown) const { return option_->type_name(shown), *this; }

Flag Flag::group(std::string const& heading) const { return option_->group(heading), *this; }

Flag Flag::one_of(std::initializer_list<char const*> words) const {
  return option_->check(commands::one_of(words)), *this;
}

Flag Flag::between(int least, int most) const {
  return option_->check(CLI::Range(least, most)), *this;
}

Flag Flag::excludes(Flag other) const { return option_->excludes(other.option_), *this; }

Flag Flag::envname(std::string const& variable) const { return option_->envname(variable), *this; }

Flag Flags::add_option(std::string const& name, std::string& into, std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option(std::string const& name, std::optional<std::string>& into,
                       std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option(std::string const& name, std::vector<std::string>& into,
                       std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option(std::string const& name, std::uint64_t& into,
                       std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option(std::string const& name, int& into, std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option(std::string const& name, std::optional<std::size_t>& into,
                       std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option(std::string const& name, double& into, std::string const& help) const {
  return Flag(app_->add_option(name, into, help));
}

Flag Flags::add_option_function(std::string const& name,
                                std::function<void(std::string const&)> take,
                                std::string const& help) const {
  return Flag(app_->add_option_function<std::string>(name, std::move(take), help));
}

Flag Flags::add_flag(std::string const& name, bool& into, std::string const& help) const {
  return Flag(app_->add_flag(name, into, help));
}

Flag Flags::add_flag_callback(std::string const& name, std::function<void()> given,
                              std::string const& help) const {
  return Flag(app_->add_flag_callback(name, std::move(given), help));
}

Flags Flags::add_subcommand(std::string const& name, std::string const& summary) const {
  return Flags(*app_->add_subcommand(name, summary));
}

void Flags::require_subcommand(int how_many) const { app_->require_subcommand(how_many); }

void Flags::callback(std::function<void()> chosen) const { app_->callback(std::move(chosen)); }

bool Flags::parsed() const { return app_->parsed(); }

void refuse(std::string const& name, std::string const& why) {
  throw CLI::ValidationError(name, why);
}

}  // namespace millrace::commands
