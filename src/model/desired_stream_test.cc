#include "model/desired_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::model {
namespace {

using testing::HasSubstr;
using testing::Not;

DesiredStream wanted() {
  auto stream = parse_new(R"({"name":"Ally","account":"a","event_types":["grade_change"],
    "delivery":{"method":"https","url":"https://ally.example.edu/e"},"headers":{"X-Key":"s3cr3t"},
    "contact_email":"a@example.edu"})",
                          {})
                    .value();
  stream.id = *StreamId::parse("0192f0c1-0000-7000-8000-000000000001");
  stream.version = 4;
  stream.created_at = stream.updated_at = parse_time("2026-11-21T19:05:12.123Z").value();
  DesiredStream desired{.stream = stream, .start = 7};
  desired.filters = {
      {1, 7, {"*"}, "a"}, {2, 12, {"course_created", "quiz"}, "a"}, {4, 19, {"grade_change"}, "a"}};
  desired.resume = {3, 21};
  return desired;
}

TEST(DesiredStream, IsReadAsItWasStored) {
  auto const desired = wanted();

  auto const read = desired_from_stored(to_stored(desired));

  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(*read, desired);
}

TEST(DesiredStream, OneThatGoesOnFromWhereItStoppedHasNoBatchToResumeFrom) {
  auto desired = wanted();
  desired.resume = {4, std::nullopt};

  auto const read = desired_from_stored(to_stored(desired));

  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->resume, (Resume{4, std::nullopt}));
}

TEST(DesiredStream, ARecordOfAFormerVersionLeavesAllElseToTheProgress) {
  auto const before = wanted().stream;

  auto const read = desired_from_stored(to_stored(before));

  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(*read, DesiredStream{.stream = before});
}

TEST(DesiredStream, ATombstoneKeepsNeitherSecretsNorAddresses) {
  auto desired = wanted();
  desired.gone = true;

  auto const stored = to_stored(desired);
  auto const read = desired_from_stored(stored);

  EXPECT_THAT(stored, Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(stored, Not(HasSubstr("example.edu")));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_TRUE(read->gone);
  EXPECT_EQ(read->stream.id, desired.stream.id);
  EXPECT_EQ(read->stream.version, 4U);
  EXPECT_EQ(read->stream.account, "a");
}

TEST(DesiredStream, ARecordThatIsCutOrOutOfOrderIsCorrupt) {
  auto const stored = to_stored(wanted());
  auto turned = wanted();
  std::swap(turned.filters[0].from_batch, turned.filters[1].from_batch);

  for (std::size_t i = 0; i < stored.size(); ++i)
    EXPECT_FALSE(desired_from_stored(stored.substr(0, i))) << i;
  EXPECT_FALSE(desired_from_stored(to_stored(turned)));
  EXPECT_FALSE(desired_from_stored(R"({"form":1,"gone":true})"));
}

TEST(DesiredStream, TheLargestRecordIsRead) {
  auto desired = wanted();
  std::vector<std::string> types;
  for (int i = 0; i < 1000; ++i) types.push_back(std::string(250, 'a') + std::to_string(1000 + i));
  desired.filters.clear();
  for (std::uint64_t i = 1; i <= DesiredLimits::filters; ++i)
    desired.filters.push_back({i, i, types, "a"});
  desired.stream.event_types = types;

  auto const read = desired_from_stored(to_stored(desired));

  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(*read, desired);
}

}  // namespace
}  // namespace millrace::model
