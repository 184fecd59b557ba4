#include "commands/table.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace millrace::commands {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest = 8;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::string cut(std::string const& text, std::size_t columns) {
  if (columns_of(text) <= columns) return text;
  std::size_t seen = 0, at = 0;
  while (at < text.size() && (seen += begins_character(text[at]) ? 1 : 0) < columns) ++at;
  return text.substr(0, at) + "…";
}

}  // namespace

std::size_t columns_of(std::string const& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::size_t window_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
    return size.ws_col;
  // A pipe has no width, unless somebody says which.
  char const* const columns = std::getenv("COLUMNS");
  std::string_view const text = columns == nullptr ? "" : columns;
  std::size_t width = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), width);
  return error == std::errc() && end == text.data() + text.size() ? width : 0;
}

std::string Table::text(std::size_t width) const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (auto const& row : rows_)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(row[i]));
  auto const total = [&] {
    std::size_t sum = gap * (widths.size() - 1);
    for (auto const w : widths) sum += w;
    return sum;
  };
  while (width > 0 && total() > width && widths.size() > whole_) {
    auto const widest =
        std::max_element(widths.begin() + static_cast<std::ptrdiff_t>(whole_), widths.end());
    if (*widest <= narrowest) break;
    *widest -= std::min(*widest - narrowest, total() - width);
  }
  std::string out;
  for (auto const& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      auto const cell = cut(row[i], widths[i]);
      line += cell;
      if (i + 1 < row.size()) line += std::string(widths[i] - columns_of(cell) + gap, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + '\n';
  }
  return out;
}

void Table::print() const { fmt::print("{}", text(window_width())); }

}  // namespace millrace::commands
