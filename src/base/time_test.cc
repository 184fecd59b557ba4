#include "base/time.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;

std::string read(std::string_view text) {
  auto const time = parse_time(text);
  return time ? iso_ms(*time) : "refused";
}

TEST(ParseTime, reads_every_form_that_is_seen) {
  EXPECT_EQ(read("2026-11-21T19:05:12.123Z"), "2026-11-21T19:05:12.123Z");
  EXPECT_EQ(read("2026-11-21T19:05:12Z"), "2026-11-21T19:05:12.000Z");
  EXPECT_EQ(read("2026-11-21T19:05:12"), "2026-11-21T19:05:12.000Z");
  EXPECT_EQ(read("2026-11-21 19:05:12 UTC"), "2026-11-21T19:05:12.000Z");
  EXPECT_EQ(read("2026-11-21t19:05:12.5z"), "2026-11-21T19:05:12.500Z");
  EXPECT_EQ(read("2026-11-21T19:05:12.123456789Z"), "2026-11-21T19:05:12.123Z");
  EXPECT_EQ(read("2026-11-21T19:05:12.1234567891234Z"), "2026-11-21T19:05:12.123Z");
  EXPECT_EQ(read("2026-11-21T19:05:12+01:30"), "2026-11-21T17:35:12.000Z");
  EXPECT_EQ(read("2026-11-21T19:05:12-0800"), "2026-11-22T03:05:12.000Z");
  EXPECT_EQ(read("2026-11-21 19:05:12 -0800"), "2026-11-22T03:05:12.000Z");
  EXPECT_EQ(read("2026-11-21"), "2026-11-21T00:00:00.000Z");
  EXPECT_EQ(read("2028-02-29T00:00:00Z"), "2028-02-29T00:00:00.000Z");
  EXPECT_EQ(read("1970-01-01T00:00:00Z"), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(read("2016-12-31T23:59:60Z"),
            "2017-01-01T00:00:00.000Z");  // a leap second is the next one
}

TEST(ParseTime, refuses_everything_else) {
  for (auto const* const text : {"",
                                 "now",
                                 "2026",
                                 "2026-11",
                                 "2026-1-1",
                                 "2026-02-29",
                                 "2026-13-01",
                                 "2026-11-31",
                                 "2026-11-00",
                                 "2026-11-21T",
                                 "2026-11-21T19",
                                 "2026-11-21T19:05",
                                 "2026-11-21T24:00:00Z",
                                 "2026-11-21T19:60:00Z",
                                 "2026-11-21T19:05:61Z",
                                 "2026-11-21T19:05:12.Z",
                                 "2026-11-21T19:05:12Zx",
                                 "2026-11-21T19:05:12+24:00",
                                 "2026-11-21T19:05:12+1",
                                 "1969-12-31T23:59:59Z",
                                 "2262-01-01T00:00:00Z",
                                 "9999-12-31T00:00:00Z",
                                 " 2026-11-21",
                                 "2026-11-21T19:05:12 EST",
                                 "-026-11-21"})
    EXPECT_EQ(read(text), "refused") << text;
  EXPECT_EQ(parse_time(std::string(10'000, '9')).error().fault, Fault::invalid);
  EXPECT_LT(parse_time(std::string(10'000, '9')).error().what.size(), 200U);
}

TEST(IsoTime, rounds_down_to_its_unit) {
  WallTime const time = from_unix_ms(1'795'287'912'999) + 999us;
  EXPECT_EQ(iso_ms(time), "2026-11-21T19:05:12.999Z");
  EXPECT_EQ(iso_s(time), "2026-11-21T19:05:12Z");
  EXPECT_EQ(iso_ms(WallTime(-1ns)), "1969-12-31T23:59:59.999Z");
}

TEST(UnixMs, round_trips_and_rounds_down) {
  EXPECT_EQ(unix_ms(from_unix_ms(1'795'287'912'123)), 1'795'287'912'123);
  EXPECT_EQ(unix_ms(WallTime(1'999'999ns)), 1);
  EXPECT_EQ(unix_ms(WallTime(-1ns)), -1);
}

TEST(ParseDuration, reads_a_number_and_a_unit) {
  EXPECT_EQ(parse_duration("150ms").value(), 150ms);
  EXPECT_EQ(parse_duration("15s").value(), 15s);
  EXPECT_EQ(parse_duration("5min").value(), 5min);
  EXPECT_EQ(parse_duration("5m").value(), 5min);
  EXPECT_EQ(parse_duration("24h").value(), 24h);
  EXPECT_EQ(parse_duration("7d").value(), 168h);
  EXPECT_EQ(parse_duration("0s").value(), 0s);
  for (auto const* const text : {"", "15", "s", "-1s", "1.5s", "1 s", "1sec", "1s ",
                                 "999999999999d", "99999999999999999999s", "100000001ms"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(FormatDuration, is_the_shortest_exact_form) {
  EXPECT_EQ(format_duration(0s), "0ms");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(120s), "2min");
  EXPECT_EQ(format_duration(24h), "1d");
  EXPECT_EQ(format_duration(25h), "25h");
  for (auto const span :
       {Duration(1ms), Duration(15s), Duration(7min), Duration(36h), Duration(14 * 24h)})
    EXPECT_EQ(parse_duration(format_duration(span)).value(), span);
}

}  // namespace
}  // namespace millrace
