// Names that are probably slips are refused with the nearest right one; what may surprise comes as warnings.
#include "api/world_test.h"

namespace millrace::api {
namespace {

using model::Role;
using ::testing::HasSubstr;
using ::testing::Not;

struct RemarksTest : ::testing::Test {
  World world;
  std::string owner = world.token(Role::owner, {"*"});

  Reply make(std::string const& types, std::string const& name = "Ally",
             std::string const& token = "") {
    auto body = stream_body(ours, name);
    std::string const usual = R"(["grade_change","submission_created"])";
    body.replace(body.find(usual), usual.size(), types);
    return world.call("POST", "/api/v1/data_streams", token.empty() ? owner : token, body);
  }
};

TEST_F(RemarksTest, a_misspelt_event_type_is_refused_with_the_nearest) {
  auto const refused = make(R"(["grade_chnage"])");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("did you mean grade_change?"));
}

TEST_F(RemarksTest, a_pattern_and_a_list_in_one_name_are_refused_with_what_to_write) {
  auto const pattern = make(R"(["course_*"])");
  EXPECT_EQ(pattern.status, 400);
  EXPECT_THAT(pattern.body, HasSubstr("write the names one by one: course_"));

  auto const list = make(R"(["grade_change,course_created"])");
  EXPECT_EQ(list.status, 400);
  EXPECT_THAT(list.body, HasSubstr("holds a comma"));
}

TEST_F(RemarksTest, an_event_type_that_came_in_is_right_and_one_that_nobody_knows_a_warning) {
  world.add_event(ours, "grade_chnage");
  auto const seen = make(R"(["grade_chnage"])");
  EXPECT_EQ(seen.status, 201) << seen.body;

  auto const new_one = make(R"(["of_a_plugin"])", "Other");
  EXPECT_EQ(new_one.status, 201);
  EXPECT_THAT(new_one.body, HasSubstr("not an event of the catalogue"));
}

// What came in at another account must not be told by what is taken.
TEST_F(RemarksTest, event_types_of_other_accounts_are_not_known_to_the_caller) {
  world.add_event(theirs, "grade_chnage");

  EXPECT_EQ(make(R"(["grade_chnage"])", "Ally", world.token(Role::owner, {ours})).status, 400);
}

TEST_F(RemarksTest, what_a_stream_has_already_is_not_remarked_on_again) {
  auto const made = make(R"(["of_a_plugin"])");
  auto const changed =
      world.call("PATCH", "/api/v1/data_streams/" + made.text("id"), owner, R"({"name":"New"})");

  EXPECT_EQ(changed.status, 200);
  EXPECT_THAT(changed.body, Not(HasSubstr("warnings")));
}

TEST_F(RemarksTest, a_name_that_another_stream_of_the_account_has_is_warned_about) {
  world.add_event(ours, "grade_change");
  auto const first = make(R"(["grade_change"])");
  auto const second = make(R"(["grade_change"])");

  EXPECT_THAT(first.body, Not(HasSubstr("warnings")));
  EXPECT_EQ(second.status, 201);
  EXPECT_THAT(second.body, HasSubstr(first.text("id")));
  auto const other = world.make_stream(owner, stream_body(theirs, "Ally"));
  EXPECT_THAT(world.call("GET", "/api/v1/data_streams/" + other, owner).body,
              Not(HasSubstr("warnings")));
}

TEST_F(RemarksTest, an_account_of_which_nothing_is_known_is_a_warning_with_the_nearest) {
  world.add_event(ours, "grade_change");
  std::string almost = ours;
  almost.back() = '2';

  auto const made = world.call("POST", "/api/v1/data_streams", owner, stream_body(almost));

  EXPECT_EQ(made.status, 201);
  EXPECT_THAT(made.body, HasSubstr("nothing is known of the account"));
  EXPECT_THAT(made.body, HasSubstr("did you mean " + std::string(ours)));
}

TEST_F(RemarksTest, parameters_and_their_words_name_the_nearest) {
  auto const stream = make(R"(["grade_change"])").text("id");
  auto const told = [&](std::string const& target) {
    auto const answer = world.call("GET", "/api/v1/" + target, owner);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.body;
  };
  EXPECT_THAT(told("tokens?limt=1"), HasSubstr("did you mean limit?"));
  EXPECT_THAT(told("data_streams?state=activ"), HasSubstr("did you mean active?"));
  EXPECT_THAT(told("event_types?format=calliper"), HasSubstr("did you mean caliper?"));
  EXPECT_THAT(told("data_streams/" + stream + "/attempts?outcome=deliverd"),
              HasSubstr("did you mean delivered?"));
  EXPECT_THAT(told("data_streams/" + stream + "/undelivered?include=events"),
              HasSubstr("did you mean event?"));
}

TEST_F(RemarksTest, keys_that_were_rotated_within_the_hour_are_asked_about) {
  auto const now = world.sim.clock().wall();
  using namespace std::chrono_literals;
  world.keys.set(
      *crypto::KeyRing::make({{"old", test_key(), now - 2400h, now - 1000h, std::nullopt},
                              {"current", test_key(), now - 1000h, now - 10min, std::nullopt},
                              {"next", test_key(), now - 10min, now + 600h, std::nullopt}}));
  auto const rotate = [&](std::string body) {
    return world.call("POST", "/api/v1/signing_keys/rotate", owner, std::move(body));
  };

  auto const asked = rotate("");
  EXPECT_EQ(asked.status, 409);
  EXPECT_THAT(asked.body, HasSubstr("may not know the next key yet"));
  EXPECT_TRUE(world.rotations.empty());
  EXPECT_EQ(rotate(R"({"confirm":true})").status, 200);
  EXPECT_EQ(rotate(R"({"emergency":"current"})").status, 200);
  world.sim.advance(50min);
  EXPECT_EQ(rotate("").status, 200);
}

}  // namespace
}  // namespace millrace::api
