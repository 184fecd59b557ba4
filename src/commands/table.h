// Columns for people. To a terminal, long cells are cut to the window; to a file or pipe, nothing is, unless COLUMNS names a width.
#pragma once
#include <string>
#include <vector>

namespace millrace::commands {

class Table {
 public:
  // `whole`: so many columns from the first on are never cut: ids and names, which people copy.
  explicit Table(std::vector<std::string> headings, std::size_t whole = 1)
      : whole_(whole), rows_{std::move(headings)} {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.size() == 1; }
  // `width`: of the window; 0: no end.
  std::string text(std::size_t width) const;
  void print() const;  // to stdout

 private:
  std::size_t whole_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns of a UTF-8 text, every character counting as one.
std::size_t columns_of(std::string const& text);
// The window's width when stdout is a terminal, else that of COLUMNS, else 0.
std::size_t window_width();

}  // namespace millrace::commands
