#include "api/world_test.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;
using model::Role;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct EventsTest : ::testing::Test {
  World world;
  std::string viewer = world.token(Role::viewer, {ours});
  std::string root_viewer = world.token(Role::viewer, {"*"});

  Reply get(std::string const& target, std::string const& token = "") {
    return world.call("GET", target, token.empty() ? viewer : token);
  }
};

TEST_F(EventsTest, an_event_is_shown_with_its_fate_at_the_callers_streams) {
  auto const owner = world.token(Role::owner, {"*"});
  auto const mine = world.make_stream(owner, stream_body(ours, "mine"));
  world.make_stream(owner, stream_body("*", "operator's"));
  auto const event = world.add_event(ours, "grade_change");
  model::Attempt attempt;
  attempt.stream = *StreamId::parse(mine);
  attempt.event = event;
  attempt.event_type = "grade_change";
  attempt.at = world.sim.clock().wall();
  world.store.add_attempt(attempt);

  auto const shown = get("/api/v1/events/" + event.text());

  EXPECT_EQ(shown.status, 200);
  EXPECT_THAT(shown.body,
              HasSubstr(R"("event":{"metadata":{"event_name":"grade_change"},"body":{"n":1}})"));
  EXPECT_THAT(shown.all("data_streams", "name"), ElementsAre("mine"));
  EXPECT_THAT(shown.body, HasSubstr(R"("outcome":"delivered")"));
  EXPECT_THAT(get("/api/v1/events/" + event.text(), root_viewer).all("data_streams", "name"),
              ::testing::UnorderedElementsAre("mine", "operator's"));
}

TEST_F(EventsTest, an_event_that_is_not_there_is_a_404) {
  EXPECT_EQ(get("/api/v1/events/0192f0c1-0000-7000-8000-000000000000").status, 404);
  EXPECT_EQ(get("/api/v1/events/nonsense").status, 404);
  EXPECT_EQ(get("/api/v1/events/%00").status, 404);
}

TEST_F(EventsTest, seen_types_are_counted_within_the_wall_and_go_on) {
  world.add_event(ours, "b_type");
  world.add_event(ours, "a_type");
  world.add_event(theirs, "c_type");

  auto const unknown = [](std::string_view name, int seen) {
    return fmt::format(
        R"({{"name":"{}","title":null,"category":null,"caliper_category":null,"documented":false,"known":false,"seen":{}}})",
        name, seen);
  };
  auto const first = get("/api/v1/event_types?limit=1000");
  EXPECT_THAT(first.body, HasSubstr(unknown("a_type", 1)));
  EXPECT_THAT(first.body, HasSubstr(unknown("b_type", 1)));
  EXPECT_THAT(first.all("items", "name"), Not(Contains("c_type")));
  EXPECT_THAT(first.all("items", "name"), SizeIs(99 + 2));
  world.add_event(ours, "b_type");
  EXPECT_THAT(get("/api/v1/event_types?limit=1000").body, HasSubstr(unknown("b_type", 2)));
  EXPECT_THAT(get("/api/v1/event_types?limit=1000", root_viewer).all("items", "name"),
              Contains("c_type"));
  EXPECT_THAT(get("/api/v1/event_types?limit=1&after=a_type").all("items", "name"),
              ElementsAre("account_created"));
}

TEST_F(EventsTest, accounts_are_those_that_are_seen_or_used) {
  world.add_event(theirs, "x");
  world.make_stream(world.token(Role::editor, {ours}), stream_body());

  EXPECT_EQ(get("/api/v1/accounts").body,
            R"({"dropped":0,"items":[{"account":")" + std::string(ours) +
                R"(","data_streams":1,"events_seen":0}],"next":null})");
  EXPECT_THAT(get("/api/v1/accounts", root_viewer).all("items", "account"),
              ElementsAre(ours, theirs));
}

TEST_F(EventsTest, dead_letters_stay_behind_their_wall_over_all_pages) {
  std::vector<store::DeadLetter> letters;
  for (int i = 0; i < 40; ++i)
    letters.push_back({"", world.sim.clock().wall(), "kinesis",
                       i % 10 == 0   ? ours
                       : i % 10 == 1 ? ""
                                     : theirs,
                       "not JSON", "\xFF payload " + std::to_string(i)});
  ASSERT_TRUE(world.sim.run(world.store.add_dead_letters(std::move(letters))));

  std::vector<std::string> seen;
  std::string after;
  do {
    auto const page =
        get("/api/v1/dead_letters?limit=3" + (after.empty() ? "" : "&after=" + after));
    for (auto const& id : page.all("items", "id")) seen.push_back(id);
    for (auto const& account : page.all("items", "account")) EXPECT_EQ(account, ours);
    after = page.text("next");
  } while (!after.empty());

  EXPECT_THAT(seen, SizeIs(4));
  auto const one = get("/api/v1/dead_letters/" + seen.front());
  EXPECT_EQ(one.status, 200);
  EXPECT_THAT(one.text("payload"), HasSubstr("\xEF\xBF\xBD payload"));
  EXPECT_EQ(get("/api/v1/dead_letters/none").status, 404);
  EXPECT_THAT(get("/api/v1/dead_letters?limit=1000", root_viewer).all("items", "id"), SizeIs(40));
}

TEST_F(EventsTest, a_cursor_that_is_none_is_refused_or_empty_never_a_failure) {
  for (auto const* const path :
       {"/api/v1/dead_letters", "/api/v1/event_types", "/api/v1/accounts", "/api/v1/data_streams"})
    EXPECT_LT(get(std::string(path) + "?after=%27%22no-cursor").status, 500) << path;
}

}  // namespace
}  // namespace millrace::api
