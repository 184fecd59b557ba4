#include "base/log.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/meters.h"

namespace millrace {
namespace {

TEST(LogValue, leaves_plain_words_alone) {
  EXPECT_EQ(log_value("503"), "503");
  EXPECT_EQ(log_value("203.0.113.7:443"), "203.0.113.7:443");
  EXPECT_EQ(log_value("caf\xC3\xA9"), "caf\xC3\xA9");
}

TEST(LogValue, quotes_what_could_be_taken_for_something_else) {
  EXPECT_EQ(log_value(""), "\"\"");
  EXPECT_EQ(log_value("two words"), "\"two words\"");
  EXPECT_EQ(log_value("a=b"), "\"a=b\"");
  EXPECT_EQ(log_value("say \"x\" \\"), "\"say \\\"x\\\" \\\\\"");
}

TEST(LogValue, lets_nobody_forge_a_line) {
  auto const value = log_value("x\n2026-11-21 error  forged\r\x1B[31m\x7F");

  EXPECT_EQ(value.find('\n'), std::string::npos);
  EXPECT_EQ(value, "\"x\\u000a2026-11-21 error  forged\\u000d\\u001b[31m\\u007f\"");
}

TEST(StderrLog, writes_one_line_for_each_thing_at_or_above_its_level) {
  auto const log = stderr_log(LogLevel::info);
  testing::internal::CaptureStderr();

  log->debug("not this");
  log->info("attempt failed", {{"status", 503}, {"why", "too busy"}});
  auto const text = testing::internal::GetCapturedStderr();

  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_NE(text.find("attempt failed  status=503  why=\"too busy\"\n"), std::string::npos) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_FALSE(log->wants(LogLevel::debug));
}

TEST(Check, ends_the_process_and_says_where) {
  check(true, "fine");
  EXPECT_DEATH(check(false, "an event is settled once"),
               "broken claim at .*log_test.cc:[0-9]+: an event is settled once");
}

TEST(Histogram, counts_each_span_in_its_bucket) {
  using namespace std::chrono_literals;
  Histogram spans;

  spans.add(100us), spans.add(101us), spans.add(3600s), spans.add(3601s), spans.add(-1s);

  EXPECT_EQ(spans.bucket(0), 2U);
  EXPECT_EQ(spans.bucket(1), 1U);
  EXPECT_EQ(spans.bucket(Histogram::bounds.size() - 1), 1U);
  EXPECT_EQ(spans.bucket(Histogram::bounds.size()), 1U);
  EXPECT_NEAR(spans.sum_seconds(), 7201.000201, 1e-6);
}

}  // namespace
}  // namespace millrace
