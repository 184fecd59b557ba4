#include "commands/doctor_service.h"

#include <gtest/gtest.h>

#include "json/reader.h"

namespace millrace::commands {
namespace {

boost::json::object object_of(std::string_view text) { return json::parse(text)->get_object(); }

// "ok" where the stream does well, else the verdict and what is the case.
std::string judged(std::string_view stream, std::string_view health) {
  auto const finding = judge_stream(object_of(stream), object_of(health));
  if (!finding) return "ok";
  return (finding->verdict == Verdict::fail ? "fail: " : "warn: ") + finding->what;
}

constexpr std::string_view active =
    R"({"id":"01a22317-e712-7eca-93e9-7a386b459d16","name":"Ally","state":"active","state_reason":null})";

TEST(DoctorServiceTest, a_stream_that_delivers_does_well) {
  EXPECT_EQ(judged(active, R"({"last_success_at":"2026-11-21T10:00:00.000Z",)"
                           R"("last_failure_at":"2026-11-21T09:00:00.000Z","undelivered":0,)"
                           R"("oldest_waiting_seconds":3.5,"counters":{"lost":0},"warnings":[]})"),
            "ok");
  EXPECT_EQ(judged(active, R"({"last_success_at":null,"last_failure_at":null})"), "ok");
}

TEST(DoctorServiceTest, a_stream_whose_last_try_failed_is_a_failure_with_its_reason) {
  EXPECT_EQ(
      judged(active, R"({"last_success_at":null,"last_failure_at":"2026-11-21T09:00:00.000Z",)"
                     R"("last_failure_reason":"status 500"})"),
      "fail: \"Ally\" (01a22317-e712) fails, the last time at 2026-11-21T09:00:00.000Z: "
      "status 500");
}

TEST(DoctorServiceTest, what_waits_long_is_lost_or_is_kept_is_warned_of) {
  EXPECT_EQ(judged(active, R"({"oldest_waiting_seconds":7200.0,"waiting":12})"),
            "warn: \"Ally\" (01a22317-e712): 12 events wait, the oldest for 2.0 h");
  EXPECT_EQ(judged(active, R"({"counters":{"lost":1}})"),
            "warn: \"Ally\" (01a22317-e712) has lost 1 event that waited longer than the log keeps "
            "them");
  EXPECT_EQ(judged(active, R"({"undelivered":3})"),
            "warn: \"Ally\" (01a22317-e712) keeps 3 events as undelivered");
}

TEST(DoctorServiceTest, a_stream_that_a_person_stopped_is_no_finding) {
  auto const stopped = [](std::string_view reason) {
    return R"({"id":"01a22317-e712-7eca","name":"A","state":"deactivated","state_reason":")" +
           std::string(reason) + "\"}";
  };
  EXPECT_EQ(judged(stopped("by_user"), R"({"undelivered":3})"), "ok");
  EXPECT_EQ(judged(stopped("errors"), "{}"), "fail: \"A\" (01a22317-e712) was deactivated: errors");
}

TEST(DoctorServiceTest, letters_of_a_day_are_counted_with_their_commonest_reason) {
  auto const letters = json::parse(
      R"([{"at":"2026-11-21T09:00:00.000Z","reason":"a"},{"at":"2026-11-21T08:00:00.000Z","reason":"b"},)"
      R"({"at":"2026-11-21T07:00:00.000Z","reason":"b"},{"at":"2026-11-19T07:00:00.000Z","reason":"a"}])");
  auto const now = *parse_time("2026-11-21T10:00:00Z");

  auto const finding = judge_letters(letters->get_array(), now);

  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_EQ(finding.what, "3 dead letters in the last 24 h, 2 of them: b");
  EXPECT_EQ(judge_letters({}, now).verdict, Verdict::ok);
}

}  // namespace
}  // namespace millrace::commands
