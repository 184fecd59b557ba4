#include "receive/paths.h"

#include <gtest/gtest.h>

#include "receive/folder_store.h"

namespace millrace::receive {
namespace {

WallTime at(char const* text) { return *parse_time(text); }

TEST(PathsTest, a_part_cannot_leave_its_folder) {
  EXPECT_EQ(path_part("grade_change"), "grade_change");
  EXPECT_EQ(path_part("outcomes.retry__x-1"), "outcomes.retry__x-1");
  EXPECT_EQ(path_part("../../etc"), "%2E.%2F..%2Fetc");
  EXPECT_EQ(path_part("."), "%2E");
  EXPECT_EQ(path_part(""), "unknown");
  EXPECT_EQ(path_part(std::string_view("a\0b\n", 4)), "a%00b%0A");
  EXPECT_EQ(path_part("a=b"), "a%3Db");
}

TEST(PathsTest, long_parts_stay_distinct_and_short) {
  auto const one = path_part(std::string(300, 'x') + "1"),
             two = path_part(std::string(300, 'x') + "2");

  EXPECT_LE(one.size(), 120U);
  EXPECT_NE(one, two);
}

TEST(PathsTest, per_event_files_lie_by_hour) {
  EXPECT_EQ(per_event_path(at("2026-11-21T19:05:12Z"), "0192f0c1-0000-7000-8000-000000000001", ""),
            "2026/11/21/19/0192f0c1-0000-7000-8000-000000000001.json");
}

TEST(PathsTest, a_senseless_time_gives_way_to_that_of_receipt) {
  auto const received = at("2026-11-21T19:00:00Z");

  EXPECT_EQ(sensible_time("2026-11-20T07:38:00.5Z", received), at("2026-11-20T07:38:00.5Z"));
  EXPECT_EQ(sensible_time("2019-11-05 07:38:00 -0800", received), at("2019-11-05T15:38:00Z"));
  EXPECT_EQ(sensible_time("2026-11-22T18:59:59Z", received), at("2026-11-22T18:59:59Z"));
  for (auto const* odd :
       {"", "yesterday", "019-11-05T07:38:00Z", "2010-12-31T23:59:59Z", "2026-11-22T19:00:01Z"})
    EXPECT_EQ(sensible_time(odd, received), received) << odd;
}

TEST(PathsTest, ulids_sort_by_time) {
  std::string const low(10, '\0'), high(10, '\xff');

  EXPECT_EQ(ulid(from_unix_ms(0), low), "00000000000000000000000000");
  EXPECT_EQ(ulid(from_unix_ms(1469918176385), high), "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
  EXPECT_LT(ulid(at("2026-11-21T19:00:00Z"), high), ulid(at("2026-11-21T19:00:00.001Z"), low));
}

TEST(PathsTest, store_urls_are_folders) {
  EXPECT_EQ(folder_of_url("file:///var/lib/events/"), "/var/lib/events");
  EXPECT_EQ(folder_of_url("file://localhost/a%20b"), "/a b");
  for (auto const* wrong : {"/var/lib", "file://host/x", "file://x", "file:///a%2", "file:///a%00b",
                            "s3://b/p", "gs://b/p", ""})
    EXPECT_FALSE(folder_of_url(wrong)) << wrong;
  EXPECT_NE(folder_of_url("s3://b/p").error().what.find("not in this version yet"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::receive
