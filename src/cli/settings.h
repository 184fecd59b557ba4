// What an operator can set about `millrace serve`: one row a setting, with its default, its range, its help, and its way in.
//   Precedence  a flag (--delivery-window), else the environment (MILLRACE_DELIVERY_WINDOW), else millrace.toml ([delivery] window),
//               else the default. Every given value is checked, also one that another overrides. All faults are told at once.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "server/node.h"

namespace millrace::cli {

struct Settings {
  server::NodeSettings node;
  std::size_t loops = 0;  // 0: one for each core
  LogLevel log_level = LogLevel::info;
};

struct Row {
  std::string section, key;
  std::string flag;      // without "--"
  std::string fallback;  // the default, as text
  std::string help;
  bool is_switch = false;  // its flag takes no value
  std::function<Result<void>(std::string_view text)>
      take;  // reads, checks the range, and sets. Fails with: invalid (what is wrong)

  std::string name() const { return section + "." + key; }
  std::string variable() const;  // MILLRACE_SECTION_KEY
};

// The table of settings; each row sets a part of `into`, which outlives it.
std::vector<Row> rows_of(Settings& into);

struct Sources {
  std::string file_name;            // as messages show it
  std::optional<std::string> file;  // text of millrace.toml
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> flags;  // by Row::flag
};

struct Shown {  // one setting as --print-config shows it
  std::string name, value, fallback, from;
};

struct Loaded {
  Settings settings;
  std::vector<Shown> shown;
};

// Pure. The faults are lines for people: "millrace.toml:12: delivery.window: must be from 1 to 4096, not 0".
std::expected<Loaded, std::vector<std::string>> load_settings(Sources const& sources);

// The table of --print-config.
std::string print_settings(std::vector<Shown> const& shown);
// A millrace.toml with every setting as a comment: the one in packaging/ is this text.
std::string settings_template();

}  // namespace millrace::cli
