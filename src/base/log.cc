#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::off;
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel least)
      : logger_("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc);
    logger_.set_level(level_of(least));
    logger_.flush_on(spdlog::level::debug);
  }
  bool wants(LogLevel level) const override { return logger_.should_log(level_of(level)); }
  void write(LogLevel level, std::string_view message, LogFields fields) override {
    if (!wants(level)) return;
    std::string line(message);
    for (auto const& field : fields)
      fmt::format_to(std::back_inserter(line), "  {}={}", field.key, log_value(field.value));
    logger_.log(level_of(level), "{}", line);
  }

 private:
  spdlog::logger logger_;
};

class SilentLog final : public Log {
 public:
  bool wants(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, LogFields) override {}
};

}  // namespace

std::unique_ptr<Log> stderr_log(LogLevel least) { return std::make_unique<StderrLog>(least); }
std::unique_ptr<Log> silent_log() { return std::make_unique<SilentLog>(); }

std::string log_value(std::string_view value) {
  auto const plain = [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != '"' && c != '\\' && c != 0x7F && c != '=';
  };
  if (!value.empty() && std::ranges::all_of(value, plain)) return std::string(value);
  std::string out = "\"";
  for (char const c : value) {
    auto const byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace millrace
