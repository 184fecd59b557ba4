// The log of the program: wide lines, one for each thing that happened, with everything known about it.
//   A line is "2026-11-21T19:05:12.123Z warning an endpoint begins to fail  stream=… status=503". Nothing secret, nothing from outside
//   unescaped: values with spaces, quotes or control characters are written as JSON strings.
//   Threads: any.
#pragma once
#include <fmt/format.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace millrace {

enum class LogLevel { debug, info, warning, error };

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  template <class T>
    requires(!std::is_convertible_v<T, std::string>)
  LogField(std::string_view k, T const& v) : key(k), value(fmt::format("{}", v)) {}
};

using LogFields = std::initializer_list<LogField>;

class Log {
 public:
  virtual ~Log() = default;
  virtual bool wants(LogLevel level) const = 0;  // false: building the fields is wasted
  virtual void write(LogLevel level, std::string_view message, LogFields fields) = 0;

  void debug(std::string_view message, LogFields fields = {}) {
    if (wants(LogLevel::debug)) write(LogLevel::debug, message, fields);
  }
  void info(std::string_view message, LogFields fields = {}) {
    write(LogLevel::info, message, fields);
  }
  void warning(std::string_view message, LogFields fields = {}) {
    write(LogLevel::warning, message, fields);
  }
  void error(std::string_view message, LogFields fields = {}) {
    write(LogLevel::error, message, fields);
  }
};

// Lines of `least` and above to stderr.
std::unique_ptr<Log> stderr_log(LogLevel least);
// Drops everything.
std::unique_ptr<Log> silent_log();

// `value` as it stands in a line.
std::string log_value(std::string_view value);

}  // namespace millrace
