#include "formats/caliper_grammar.h"

#include <algorithm>
#include <chrono>

#include "base/uuid.h"

namespace millrace::formats {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 3987's unreserved, sub-delims, ':', '@', '/'.
bool is_path_char(char c) {
  return is_letter(c) || is_digit(c) || is_beyond_ascii(c) ||
         std::string_view("-._~!$&'()*+,;=:@/").find(c) != std::string_view::npos;
}

// All of `text` is of `more` or of the characters of a path, and each % begins an encoded byte.
bool has_only_iri_chars(std::string_view text, std::string_view more) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!is_path_char(text[i]) && more.find(text[i]) == more.npos) {
      return false;
    }
  }
  return true;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// What stands between "//" and the path: a bracket holds an address in numbers, and nothing else.
bool is_authority(std::string_view text) {
  auto const open = text.find('[');
  if (open == text.npos) return has_only_iri_chars(text, "");
  auto const close = text.find(']', open);
  if (close == text.npos || (open > 0 && text[open - 1] != '@')) return false;
  auto const address = text.substr(open + 1, close - open - 1);
  auto const rest = text.substr(close + 1);
  return !address.empty() &&
         std::ranges::all_of(address, [](char c) { return is_hex(c) || c == ':' || c == '.'; }) &&
         (rest.empty() || rest.front() == ':') && has_only_iri_chars(rest, "") &&
         has_only_iri_chars(text.substr(0, open), "");
}

// Takes digits and perhaps a fraction from the front.
struct Amount {
  bool is_there = false, has_fraction = false;
};
Amount take_amount(std::string_view& text) {
  auto const digits = [&text] {
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    text.remove_prefix(n);
    return n > 0;
  };
  Amount amount;
  amount.is_there = digits();
  if (amount.is_there && !text.empty() && (text.front() == '.' || text.front() == ',')) {
    text.remove_prefix(1);
    amount.has_fraction = true;
    amount.is_there = digits();
  }
  return amount;
}

// Amounts with the given units, each at most once and in this order. False: something else stands there, or nothing.
bool take_units(std::string_view& text, std::string_view units, bool& fraction) {
  bool any = false;
  while (!text.empty() && is_digit(text.front())) {
    if (fraction) return false;  // only the last part has one
    auto const amount = take_amount(text);
    if (!amount.is_there || text.empty()) return false;
    auto const unit = units.find(text.front());
    if (unit == units.npos) return false;
    units.remove_prefix(unit + 1);
    text.remove_prefix(1);
    fraction = amount.has_fraction;
    any = true;
  }
  return any;
}

}  // namespace

bool is_iri(std::string_view text) {
  if (text.starts_with("_:")) return text.size() > 2 && has_only_iri_chars(text.substr(2), "");
  auto const colon = text.find(':');
  if (colon == text.npos || !is_scheme(text.substr(0, colon))) return false;
  auto rest = text.substr(colon + 1);
  if (rest.empty()) return false;
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    auto const authority = rest.substr(0, rest.find_first_of("/?#"));
    if (!is_authority(authority) || (authority.empty() && rest.empty())) return false;
    rest.remove_prefix(authority.size());
  }
  auto const hash = rest.find('#');
  auto const fragment = hash == rest.npos ? std::string_view() : rest.substr(hash + 1);
  rest = rest.substr(0, hash);
  auto const question = rest.find('?');
  auto const query = question == rest.npos ? std::string_view() : rest.substr(question + 1);
  return has_only_iri_chars(rest.substr(0, question), "") && has_only_iri_chars(query, "?[]") &&
         has_only_iri_chars(fragment, "?[]");
}

bool is_iri_part(std::string_view text) { return has_only_iri_chars(text, ""); }

bool is_host(std::string_view text) {
  auto const colon = text.find(':');
  auto const name = text.substr(0, colon);
  auto const port = colon == text.npos ? std::string_view() : text.substr(colon + 1);
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return is_letter(c) || is_digit(c) || is_beyond_ascii(c) || c == '-' || c == '.' || c == '_';
  }) && std::ranges::all_of(port, is_digit);
}

bool is_uuid_urn(std::string_view text) {
  constexpr std::string_view prefix = "urn:uuid:";
  return text.size() > prefix.size() &&
         std::ranges::equal(text.substr(0, prefix.size()), prefix, {}, lower) &&
         Uuid::parse(text.substr(prefix.size())).has_value();
}

TimeForm time_form(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd.dddZ";
  constexpr std::size_t to_seconds = 19;
  bool const milliseconds = text.size() == form.size();
  if (!milliseconds && (text.size() != to_seconds + 1 || text.back() != 'Z'))
    return TimeForm::other;
  for (std::size_t i = 0; i < (milliseconds ? form.size() : to_seconds); ++i)
    if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i]) return TimeForm::other;
  auto const number = [text](std::size_t at, std::size_t digits) {
    int value = 0;
    for (char const c : text.substr(at, digits)) value = 10 * value + (c - '0');
    return value;
  };
  std::chrono::year_month_day const day{std::chrono::year(number(0, 4)),
                                        std::chrono::month(unsigned(number(5, 2))),
                                        std::chrono::day(unsigned(number(8, 2)))};
  auto const hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  bool const leap = hour == 23 && minute == 59 && second == 60;
  if (!day.ok() || hour > 23 || minute > 59 || (second > 59 && !leap)) return TimeForm::other;
  return milliseconds ? TimeForm::exact : TimeForm::without_milliseconds;
}

bool is_duration(std::string_view text) {
  if (!text.starts_with('P')) return false;
  text.remove_prefix(1);
  bool fraction = false;
  if (text.ends_with('W')) return take_units(text, "W", fraction) && text.empty();
  bool const date = take_units(text, "YMD", fraction);
  if (text.empty()) return date;
  if (text.front() != 'T' || fraction) return false;
  text.remove_prefix(1);
  return take_units(text, "HMS", fraction) && text.empty();
}

}  // namespace millrace::formats
