#include "model/drift.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DriftTest : public testing::Test {
 protected:
  static constexpr std::int64_t day = 86'400'000;
  static WallTime at(std::int64_t ms) { return from_unix_ms(1'795'288'567'000 + ms); }
  static EventId id(std::uint64_t n) { return {{n, n}}; }

  void look(std::string_view type, std::string_view metadata, std::string_view body,
            std::uint64_t n = 1, WallTime when = at(0)) {
    EventBlock block;
    block.add("root-1", type, metadata, body);
    drift.saw_fields(block.kinds()[0].kind, block[0], id(n), when);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& one : drift.entries())
      all.push_back(fmt::format("{}|{}|{}", one.event_type, one.field, one.count));
    return all;
  }

  Catalog const catalog = Catalog::load();
  Drift drift{catalog};
};

TEST_F(DriftTest, finds_nothing_in_the_examples_of_the_catalogue) {
  for (auto const& event : catalog.events()) {
    drift.saw_events({"root-1", event.name}, 3, id(1), at(0));
    look(event.name, event.metadata, event.body);
  }

  EXPECT_THAT(names(), IsEmpty());
  EXPECT_EQ(drift.looked_at(), catalog.events().size());
}

TEST_F(DriftTest, counts_events_that_are_unknown) {
  drift.saw_events({"root-1", "quizzes.item_created"}, 3, id(7), at(0));
  drift.saw_events({"root-2", "quizzes.item_created"}, 2, id(8), at(day));
  drift.saw_events({"root-1", "grade_change"}, 5, id(9), at(0));

  EXPECT_THAT(names(), ElementsAre("quizzes.item_created||5"));
  auto const one = drift.entries()[0];
  EXPECT_EQ(one.account, "root-1");
  EXPECT_EQ(one.example, id(7));
  EXPECT_EQ(one.first_seen, at(0));
  EXPECT_EQ(one.last_seen, at(day));
}

TEST_F(DriftTest, counts_fields_that_are_unknown) {
  look("course_created", R"({"event_name":"x","new_meta":1})",
       R"({"course_id":"5","surprise":{"name":"x"}})", 4);
  look("course_created", R"({"event_name":"x"})", R"({"surprise":null})", 5, at(1));

  EXPECT_THAT(names(),
              ElementsAre("course_created|body.surprise|2", "course_created|metadata.new_meta|1"));
  EXPECT_EQ(drift.entries()[0].example, id(4));
  EXPECT_EQ(drift.entries()[0].last_seen, at(1));
}

TEST_F(DriftTest, looks_into_no_body_whose_fields_nobody_knows) {
  look("never_heard_of", R"({"strange":1})", R"({"x":1})");
  look("blueprint_subscription_created", R"({"event_name":"x"})", R"({"whatever":1})");

  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(DriftTest, stays_within_its_bounds) {
  for (int i = 0; i < 1500; ++i)
    drift.saw_events({"root-1", fmt::format("event_{}", i)}, 2, id(1), at(0));
  drift.saw_events({"root-1", "event_3"}, 1, id(1), at(0));

  EXPECT_THAT(drift.entries(), SizeIs(Drift::most_entries));
  EXPECT_EQ(drift.uncounted(), 2 * 501);  // event_3 was given up, and came anew
}

TEST_F(DriftTest, one_accounts_made_up_names_leave_anothers_entries_alone) {
  for (int i = 0; i < 5; ++i)
    drift.saw_events({"quiet", fmt::format("own_{}", i)}, 1, id(1), at(0));
  for (int i = 0; i < 3'000; ++i)
    drift.saw_events({"flood", fmt::format("event_{}", i)}, 1, id(1), at(1));
  drift.saw_events({"quiet", "own_late"}, 1, id(1), at(2));

  std::size_t of_quiet = 0;
  for (auto const& entry : drift.entries()) of_quiet += entry.account == "quiet" ? 1 : 0;

  EXPECT_EQ(of_quiet, 6U);
  EXPECT_THAT(drift.entries(), SizeIs(Drift::most_entries));
  EXPECT_EQ(drift.uncounted(), 3'000U + 6 - Drift::most_entries);
}

TEST_F(DriftTest, cuts_long_names_between_characters) {
  std::string name = "a";
  for (int i = 0; i < 200; ++i) name += "\u00e9";
  look("course_created", "{}", fmt::format(R"({{"{}":1}})", name));

  ASSERT_THAT(drift.entries(), SizeIs(1));
  auto const field = drift.entries().front().field;
  EXPECT_LE(field.size(), 255);
  EXPECT_GE(field.size(), 254);
  EXPECT_EQ(static_cast<unsigned char>(field.back()), 0xA9);
}

TEST_F(DriftTest, looks_at_a_bounded_number_of_fields) {
  std::string body = "{";
  for (int i = 0; i < 5000; ++i) body += fmt::format(R"({}"f{}":1)", i == 0 ? "" : ",", i);
  look("course_created", "{}", body + "}");

  EXPECT_THAT(drift.entries(), SizeIs(Drift::most_fields));
}

}  // namespace
}  // namespace millrace::model
