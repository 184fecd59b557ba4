// What was probably meant by a word that is not known: the nearest of those that are.
//   Near    At most two slips of the finger: a letter added, left out, changed, or swapped with the next one. Whether letters are
//           large or small, and - in the place of _, counts as no slip.
//   Cost    A few hundred steps for each candidate; words and candidates of more than 64 bytes are not looked at, nor is any
//           candidate after the first 10,000.
#pragma once
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

// Looks at one candidate after the other. What it was given is viewed, not copied.
class Nearest {
 public:
  explicit Nearest(std::string_view word) : word_(word) {}

  void consider(std::string_view candidate);
  std::string_view found() const { return best_; }  // the first of the nearest; empty: none is near

 private:
  std::string_view word_, best_;
  std::size_t slips_ = 3;  // three make another word
  std::size_t seen_ = 0;
};

// Empty: none is near. The answer is a view of one of `known`.
std::string_view nearest(std::string_view word, std::span<std::string_view const> known);
std::string_view nearest(std::string_view word, std::initializer_list<std::string_view> known);

// "; did you mean grade_change?", to be put behind a fault; empty when `guess` is.
std::string did_you_mean(std::string_view guess);

}  // namespace millrace
