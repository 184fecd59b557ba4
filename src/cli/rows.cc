#include "cli/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace millrace::cli {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};
// The longest exact form wins when printing: larger ones first.
constexpr std::array<Unit, 8> units{{{"TiB", 1ULL << 40},
                                     {"TB", 1'000'000'000'000},
                                     {"GiB", 1ULL << 30},
                                     {"GB", 1'000'000'000},
                                     {"MiB", 1ULL << 20},
                                     {"MB", 1'000'000},
                                     {"KiB", 1ULL << 10},
                                     {"kB", 1'000}}};

std::string_view trimmed(std::string_view text) {
  auto const first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Result<std::uint64_t> parse_integer(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(Fault::invalid, fmt::format("must be a number, not \"{}\"", text));
  return value;
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  for (auto const& unit : units) {
    if (!text.ends_with(unit.name)) continue;
    auto const number = parse_integer(trimmed(text.substr(0, text.size() - unit.name.size())));
    if (!number || *number > std::numeric_limits<std::uint64_t>::max() / unit.bytes) break;
    return *number * unit.bytes;
  }
  auto const number = parse_integer(text);
  if (!number)
    return fail(Fault::invalid,
                fmt::format("must be a size like 4096, 64KiB, 256MiB or 50GB, not \"{}\"", text));
  return number;
}

std::string format_bytes(std::uint64_t bytes) {
  for (auto const& unit : units)
    if (bytes != 0 && bytes % unit.bytes == 0)
      return fmt::format("{}{}", bytes / unit.bytes, unit.name);
  return fmt::format("{}", bytes);
}

Take take_text(std::string& into) {
  return [&into](std::string_view text) -> Result<void> {
    into = text;
    return {};
  };
}

Take take_name(std::string& into) {
  return [&into](std::string_view text) -> Result<void> {
    auto const bad = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; };
    if (text.empty()) return fail(Fault::invalid, "must not be empty");
    if (std::ranges::any_of(text, bad))
      return fail(Fault::invalid, "must not have white space or control characters");
    into = text;
    return {};
  };
}

Take take_list(std::vector<std::string>& into) {
  return [&into](std::string_view text) -> Result<void> {
    into.clear();
    while (!text.empty()) {
      auto const comma = std::min(text.find(','), text.size());
      auto const item = trimmed(text.substr(0, comma));
      if (!item.empty()) into.emplace_back(item);
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return {};
  };
}

Take take_switch(bool& into) {
  return [&into](std::string_view text) -> Result<void> {
    if (text != "true" && text != "false")
      return fail(Fault::invalid, fmt::format("must be true or false, not \"{}\"", text));
    into = text == "true";
    return {};
  };
}

Take take_count(std::size_t& into, std::size_t least, std::size_t most) {
  return [&into, least, most](std::string_view text) -> Result<void> {
    auto const value = parse_integer(text);
    if (!value) return pass(value);
    if (*value < least || *value > most)
      return fail(Fault::invalid,
                  fmt::format("must be from {} to {}, not {}", least, most, *value));
    into = *value;
    return {};
  };
}

Take take_bytes(std::uint64_t& into, std::uint64_t least, std::uint64_t most) {
  return [&into, least, most](std::string_view text) -> Result<void> {
    auto const value = parse_bytes(text);
    if (!value) return pass(value);
    if (*value < least || *value > most)
      return fail(Fault::invalid, fmt::format("must be from {} to {}, not {}", format_bytes(least),
                                              format_bytes(most), text));
    into = *value;
    return {};
  };
}

Take take_span(Duration& into, Duration least, Duration most) {
  return [&into, least, most](std::string_view text) -> Result<void> {
    auto const value = parse_duration(text);
    if (!value)
      return fail(Fault::invalid,
                  fmt::format("must be a time like 150ms, 15s, 5min, 24h or 7d, not \"{}\"", text));
    if (*value < least || *value > most)
      return fail(Fault::invalid, fmt::format("must be from {} to {}, not {}",
                                              format_duration(least), format_duration(most), text));
    into = *value;
    return {};
  };
}

}  // namespace millrace::cli
