// The catalogue over the API, streams of the format Caliper, and the drift.
#include "api/world_test.h"

namespace millrace::api {
namespace {

using model::Role;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class EventTypesTest : public ::testing::Test {
 protected:
  Reply get(std::string target) { return world.call("GET", std::move(target), token); }
  Reply save(std::string_view types, std::string_view format = "caliper") {
    return world.call(
        "POST", "/api/v1/data_streams", token,
        fmt::format(
            R"({{"name":"S","account":"{}","event_types":{},"format":"{}","delivery":{{"method":"https","url":"https://a.example/"}},"contact_email":"a@b.example"}})",
            ours, types, format));
  }

  World world;
  std::string const token = world.token(Role::owner, {"*"});
};

TEST_F(EventTypesTest, a_type_has_its_categories_and_how_many_were_seen) {
  world.add_event(ours, "grade_change");

  auto const all = get("/api/v1/event_types?limit=1000");

  EXPECT_THAT(
      all.body,
      HasSubstr(
          R"("category":"grade","caliper_category":"grading","documented":true,"known":true,"seen":1})"));
  EXPECT_THAT(
      all.body,
      HasSubstr(
          R"("category":"module","caliper_category":null,"documented":true,"known":true,"seen":0})"));
}

TEST_F(EventTypesTest, types_of_the_format_caliper_are_the_32) {
  auto const caliper = get("/api/v1/event_types?format=caliper").all("items", "name");

  EXPECT_THAT(caliper, SizeIs(32));
  EXPECT_THAT(caliper, AllOf(Contains("grade_change"), Not(Contains("module_created"))));
  EXPECT_EQ(get("/api/v1/event_types?format=xml").status, 400);
}

TEST_F(EventTypesTest, one_type_is_shown_with_its_fields_and_in_both_formats) {
  auto const shown = get("/api/v1/event_types/grade_change");

  ASSERT_EQ(shown.status, 200) << shown.body;
  EXPECT_EQ(shown.text("born"), "user");
  EXPECT_THAT(shown.all("fields", "name"), Contains("points_possible"));
  auto const example = shown.json().at("example").as_object();
  EXPECT_EQ(example.at("canvas").at("metadata").at("event_name"), "grade_change");
  EXPECT_EQ(example.at("caliper").at("data").at(0).at("type"), "GradeEvent");
  EXPECT_TRUE(
      get("/api/v1/event_types/module_created").json().at("example").at("caliper").is_null());
  EXPECT_EQ(get("/api/v1/event_types/never_heard_of").status, 404);
}

TEST_F(EventTypesTest, the_drift_is_listed) {
  auto const at = world.sim.clock().wall();
  world.drift.saw_events({ours, "quizzes.item_created"}, 3, EventId{Uuid{1, 2}}, at);
  model::EventBlock block;
  block.add(ours, "course_created", R"({"event_name":"course_created"})", R"({"surprise":1})");
  world.drift.saw_fields(block.kinds()[0].kind, block[0], EventId{Uuid{1, 3}}, at);

  auto const drift = get("/api/v1/event_types/drift");

  ASSERT_EQ(drift.status, 200) << drift.body;
  EXPECT_THAT(drift.all("items", "event_type"),
              ElementsAre("course_created", "quizzes.item_created"));
  EXPECT_THAT(drift.all("items", "field"), ElementsAre("body.surprise"));
  EXPECT_THAT(drift.body,
              HasSubstr(R"("event_type":"quizzes.item_created","field":null,"count":3)"));
  EXPECT_THAT(drift.body, HasSubstr(EventId{Uuid{1, 2}}.text()));
  EXPECT_EQ(drift.json().at("events_looked_at"), 1);
}

TEST_F(EventTypesTest, the_drift_is_for_those_who_see_every_account) {
  EXPECT_EQ(world.call("GET", "/api/v1/event_types/drift", world.token(Role::owner, {ours})).status,
            403);
  EXPECT_EQ(world.call("POST", "/api/v1/event_types/drift", token, "{}").header("Allow"),
            "GET, HEAD");
}

TEST_F(EventTypesTest, a_caliper_stream_is_saved_and_may_select_all) {
  EXPECT_EQ(save(R"(["grade_change","logged_in"])").status, 201);
  EXPECT_EQ(save(R"(["*"])").status, 201);
  EXPECT_EQ(save(R"(["module_created"])", "canvas").status, 201);
}

TEST_F(EventTypesTest, types_without_a_caliper_form_are_refused_by_name) {
  auto const refused = save(R"(["grade_change","made_up","module_created"])");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"), ElementsAre("/event_types", "/event_types"));
  EXPECT_THAT(refused.all("errors", "message"),
              ElementsAre(HasSubstr("made_up has no Caliper form: it is not an event of the"),
                          HasSubstr("module_created has no Caliper form: Canvas defines none")));
}

TEST_F(EventTypesTest, a_change_to_caliper_is_refused_the_same_way) {
  auto const id = save(R"(["module_created"])", "canvas").text("id");

  auto const refused =
      world.call("PATCH", "/api/v1/data_streams/" + id, token, R"({"format":"caliper"})");
  auto const both = world.call("PATCH", "/api/v1/data_streams/" + id, token,
                               R"({"format":"caliper","event_types":["logged_in"]})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("module_created"));
  EXPECT_EQ(both.status, 200) << both.body;
}

TEST_F(EventTypesTest, a_test_of_a_caliper_stream_sends_what_can_be_rendered) {
  auto const id = save(R"(["grade_change"])").text("id");

  auto const answer = world.call("POST", "/api/v1/data_streams/" + id + "/test", token);

  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(world.dispatcher.tested_bodies,
              ElementsAre(world.catalog.find("grade_change")->body));
  auto const without = world.call("POST", "/api/v1/data_streams/" + id + "/test", token,
                                  R"({"event_type":"module_created"})");
  EXPECT_EQ(without.status, 400);
  EXPECT_THAT(without.body, HasSubstr("has no Caliper form"));
}

}  // namespace
}  // namespace millrace::api
