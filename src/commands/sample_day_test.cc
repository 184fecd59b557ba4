#include "commands/sample_day.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <set>

#include "json/strict.h"
#include "model/drift.h"

namespace millrace::commands {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::IsSubsetOf;

constexpr WallTime evening{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) +
                           std::chrono::hours(18)};

boost::json::object parsed(std::string const& event) {
  return boost::json::parse(event).as_object();
}

TEST(SampleDayTest, is_json_in_the_form_of_canvas_and_of_the_given_account) {
  for (auto const& event : sample_day(7, 400, "acc\"ount", evening)) {
    auto const object = parsed(event);

    ASSERT_EQ(object.size(), 2U) << event;
    auto const& attributes = object.at("attributes").as_object();
    EXPECT_EQ(attributes.at("root_account_uuid"), "acc\"ount");
    EXPECT_FALSE(attributes.at("event_name").as_string().empty());
    EXPECT_TRUE(object.at("body").is_object());
    EXPECT_FALSE(event.contains('$')) << event;
  }
}

TEST(SampleDayTest, begins_with_every_event_type_that_it_knows) {
  std::set<std::string> types;
  for (auto const& event : sample_day(7, 90, "a", evening))
    types.emplace(parsed(event).at("attributes").at("event_name").as_string());

  EXPECT_EQ(types.size(), 82U);
  for (auto const* const family :
       {"course_created", "enrollment_created", "assignment_updated", "submission_created",
        "grade_change", "quiz_submitted", "discussion_entry_created", "module_item_created",
        "wiki_page_updated", "attachment_created", "group_membership_created",
        "learning_outcome_result_created", "conversation_message_created", "logged_in",
        "logged_out", "asset_accessed"})
    EXPECT_THAT(types, Contains(family));
}

TEST(SampleDayTest, is_the_same_for_the_same_seed_and_another_for_another) {
  EXPECT_EQ(sample_day(3, 200, "a", evening), sample_day(3, 200, "a", evening));
  EXPECT_NE(sample_day(3, 200, "a", evening), sample_day(4, 200, "a", evening));
}

TEST(SampleDayTest, goes_forward_in_time_and_ends_at_its_end) {
  std::string before;
  for (auto const& event : sample_day(1, 100, "a", evening)) {
    std::string const at(parsed(event).at("attributes").at("event_time").as_string());
    EXPECT_LT(before, at);
    before = at;
  }

  EXPECT_EQ(before, "2026-11-21T18:00:00.000Z");
}

TEST(SampleDayTest, has_nothing_that_the_catalogue_does_not_know) {
  auto const catalog = model::Catalog::load();
  model::Drift drift(catalog);
  json::Parser parser;
  model::EventBlock block;
  for (auto const& event : sample_day(7, 2000, "a", evening)) {
    std::string metadata, body;
    for (auto const& member : *parser.members(event))
      (member.key == "body" ? body : metadata) = std::string(member.value);
    auto const type = parsed(event).at("attributes").at("event_name");
    block.add("a", std::string_view(type.as_string()), metadata, body);
  }

  for (std::uint32_t i = 0; i < block.size(); ++i) {
    auto const view = block[i];
    drift.saw_fields(block.kinds()[view.kind].kind, view, {}, evening);
    drift.saw_events(block.kinds()[view.kind].kind, 1, {}, evening);
  }

  for (auto const& entry : drift.entries()) ADD_FAILURE() << entry.event_type << " " << entry.field;
}

}  // namespace
}  // namespace millrace::commands
