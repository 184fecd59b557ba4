#include "transports/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace millrace::transports {
namespace {

using namespace std::chrono_literals;

constexpr Duration longest = 1h;

std::optional<int> number(std::string_view digits) {
  int value = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty() || value < 0)
    return std::nullopt;
  return value;
}

std::optional<unsigned> month(std::string_view name) {
  static constexpr std::array<std::string_view, 12> names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto const found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<unsigned>(found - names.begin() + 1);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  while (!text.empty() && found.size() < 8) {
    auto const end = std::min(text.find_first_of(" ,-"), text.size());
    if (end > 0) found.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
std::optional<WallTime> http_date(std::string_view text) {
  auto const part = words(text);
  bool const asctime = part.size() == 5 && month(part[1]);
  if (!asctime && (part.size() != 6 || part[5] != "GMT")) return std::nullopt;
  auto const day = number(asctime ? part[2] : part[1]);
  auto const of_month = month(asctime ? part[1] : part[2]);
  auto year = number(asctime ? part[4] : part[3]);
  auto const time = asctime ? part[3] : part[4];
  if (!day || !of_month || !year || time.size() != 8 || time[2] != ':' || time[5] != ':')
    return std::nullopt;
  if (!asctime && part[3].size() == 2) *year += *year < 70 ? 2000 : 1900;
  auto const hour = number(time.substr(0, 2)), minute = number(time.substr(3, 2)),
             second = number(time.substr(6, 2));
  std::chrono::year_month_day const date(std::chrono::year(*year), std::chrono::month(*of_month),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *year < 1970 || *year > 2200 || !hour || !minute || !second || *hour > 23 ||
      *minute > 59 || *second > 60)
    return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) +
         std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view value, WallTime now) {
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  if (value.empty() || value.size() > 64) return std::nullopt;
  bool const digits = std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
  if (digits) {
    auto const seconds = value.size() > 9 ? std::optional<int>(999'999'999) : number(value);
    return std::clamp<Duration>(std::chrono::seconds(*seconds), 0s, longest);
  }
  auto const date = http_date(value);
  if (!date) return std::nullopt;
  return std::clamp<Duration>(*date - now, 0s, longest);
}

}  // namespace millrace::transports
