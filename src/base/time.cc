#include "base/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace millrace {
namespace {

using std::chrono::milliseconds;

struct Stamp {
  int year;
  unsigned month, day;
  long hour, minute, second, ms;
};

Stamp stamp_of(WallTime time) {
  auto const day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day const date(day);
  std::chrono::hh_mm_ss const clock(std::chrono::floor<milliseconds>(time - day));
  return {int(date.year()),          unsigned(date.month()),  unsigned(date.day()),
          clock.hours().count(),     clock.minutes().count(), clock.seconds().count(),
          clock.subseconds().count()};
}

// Takes exactly `digits` decimal digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Duration> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return Duration::zero();
  std::int64_t value = 0;
  std::int64_t scale = 1'000'000'000;
  std::size_t digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (scale > 1) value = value * 10 + (text.front() - '0'), scale /= 10;
    text.remove_prefix(1);
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  return Duration(value * scale);
}

std::optional<Duration> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return Duration::zero();
  take(text, ' ');
  if (text == "UTC") return text = {}, Duration::zero();
  bool const west = !text.empty() && text.front() == '-';
  if (!west && (text.empty() || text.front() != '+')) return std::nullopt;
  text.remove_prefix(1);
  auto const hours = take_digits(text, 2);
  take(text, ':');
  auto const minutes = take_digits(text, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  Duration const offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return west ? -offset : offset;
}

}  // namespace

std::int64_t unix_ms(WallTime time) {
  return std::chrono::floor<milliseconds>(time).time_since_epoch().count();
}

WallTime from_unix_ms(std::int64_t ms) { return WallTime(milliseconds(ms)); }

std::string iso_ms(WallTime time) {
  auto const s = stamp_of(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", s.year, s.month, s.day, s.hour,
                     s.minute, s.second, s.ms);
}

std::string iso_s(WallTime time) {
  auto const s = stamp_of(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", s.year, s.month, s.day, s.hour,
                     s.minute, s.second);
}

Result<WallTime> parse_time(std::string_view text) {
  auto const wrong = [whole = std::string(text.substr(0, 64))] {
    return fail(Fault::invalid, fmt::format("'{}' is not a time like 2026-11-21T19:05:12Z", whole));
  };
  auto const year = take_digits(text, 4);
  if (!year || !take(text, '-')) return wrong();
  auto const month = take_digits(text, 2);
  if (!month || !take(text, '-')) return wrong();
  auto const day = take_digits(text, 2);
  if (!day) return wrong();
  std::chrono::year_month_day const date{std::chrono::year(*year),
                                         std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!date.ok() || *year < 1970 || *year > 2261) return wrong();
  WallTime time{std::chrono::sys_days(date)};
  if (text.empty()) return time;
  if (!take(text, 'T') && !take(text, ' ') && !take(text, 't')) return wrong();
  auto const hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return wrong();
  auto const minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return wrong();
  auto const second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return wrong();
  auto const fraction = take_fraction(text);
  if (!fraction) return wrong();
  auto const zone = take_zone(text);
  if (!zone || !text.empty()) return wrong();
  return time + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + *fraction - *zone;
}

namespace {
constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> units{
    {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
}

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  std::string_view const unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && count >= 0 && count <= 100'000'000) {
    for (auto const& [name, ms] : units)
      if (name == unit) return Duration(milliseconds(count * ms));
  }
  return fail(Fault::invalid, fmt::format("'{}' is not a span like 150ms, 15s, 5min, 24h or 7d",
                                          text.substr(0, 64)));
}

std::string format_duration(Duration span) {
  std::int64_t const ms = whole_ms(span);
  for (auto const& [unit, size] : {units[5], units[4], units[2], units[1]})
    if (ms != 0 && ms % size == 0) return fmt::format("{}{}", ms / size, unit);
  return fmt::format("{}ms", ms);
}

}  // namespace millrace
