#include "base/nearest.h"

#include <algorithm>
#include <array>

namespace millrace {
namespace {

constexpr std::size_t most_bytes = 64;
constexpr std::size_t most_candidates = 10'000;

char plain(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}

// How many slips make `b` of `a`, or `limit` when it takes that many or more. Only the places near the diagonal are looked at: all
// others take more than `limit` slips.
std::size_t slips(std::string_view a, std::string_view b, std::size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= limit) return limit;
  using Row = std::array<std::size_t, most_bytes + 1>;
  Row before_last{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last = last;
    last = row;
    row.fill(limit);
    row[0] = i;
    auto const from = i > limit ? i - limit : 1;
    auto least = row[0];
    for (std::size_t j = from; j <= std::min(b.size(), i + limit); ++j) {
      bool const same = plain(a[i - 1]) == plain(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
          plain(a[i - 2]) == plain(b[j - 1]))
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      least = std::min(least, row[j]);
    }
    if (least >= limit) return limit;
  }
  return std::min(row[b.size()], limit);
}

}  // namespace

void Nearest::consider(std::string_view candidate) {
  if (word_.empty() || word_.size() > most_bytes || candidate.size() > most_bytes) return;
  if (seen_++ >= most_candidates) return;
  auto const found = slips(word_, candidate, slips_);
  if (found >= slips_ || found >= candidate.size()) return;
  slips_ = found;
  best_ = candidate;
}

std::string_view nearest(std::string_view word, std::span<std::string_view const> known) {
  Nearest near(word);
  for (auto const candidate : known) near.consider(candidate);
  return near.found();
}

std::string_view nearest(std::string_view word, std::initializer_list<std::string_view> known) {
  return nearest(word, std::span(known.begin(), known.size()));
}

std::string did_you_mean(std::string_view guess) {
  return guess.empty() ? std::string() : std::string("; did you mean ").append(guess).append("?");
}

}  // namespace millrace
