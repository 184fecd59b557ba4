#include "formats/text_writer.h"

#include <array>
#include <chrono>

namespace millrace::formats {
namespace {

template <std::size_t digits>
char* put(char* at, unsigned value) {
  for (std::size_t i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
  return at + digits;
}

}  // namespace

TextWriter& TextWriter::append_time(WallTime time) {
  using namespace std::chrono;
  auto const ms = floor<milliseconds>(time);
  auto const day = floor<days>(ms);
  year_month_day const date{day};
  auto left = static_cast<unsigned>((ms - day).count());
  std::array<char, 24> text;
  auto* at = put<4>(text.data(), static_cast<unsigned>(int(date.year())));
  *at++ = '-';
  at = put<2>(at, unsigned(date.month()));
  *at++ = '-';
  at = put<2>(at, unsigned(date.day()));
  *at++ = 'T';
  at = put<2>(at, left / 3'600'000);
  left %= 3'600'000;
  *at++ = ':';
  at = put<2>(at, left / 60'000);
  left %= 60'000;
  *at++ = ':';
  at = put<2>(at, left / 1000);
  *at++ = '.';
  at = put<3>(at, left % 1000);
  *at = 'Z';
  return append({text.data(), text.size()});
}

TextWriter& TextWriter::append_uuid(Uuid const& id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<char, 36> text;
  auto* at = text.data();
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) *at++ = '-';
    *at++ = digits[((i < 16 ? id.high : id.low) >> (60 - 4 * (i % 16))) & 0xF];
  }
  return append({text.data(), text.size()});
}

}  // namespace millrace::formats
