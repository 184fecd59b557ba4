// What is wrong with a command line, in one line that names the command, the word, and what was probably meant.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

namespace CLI {
class App;
class Validator;
class ParseError;
}  // namespace CLI

namespace millrace::commands {

// For Option::check(): the value must be one of these. The fault names them all, and the nearest.
CLI::Validator one_of(std::initializer_list<char const*> words);

// `app` is the whole program, and has just refused its command line with `wrong`.
std::string explain(CLI::App& app, CLI::ParseError const& wrong);

}  // namespace millrace::commands
