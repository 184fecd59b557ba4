#include "formats/caliper_validator.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/catalog.h"

namespace millrace::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::filesystem::path source() { return MILLRACE_SOURCE_DIR; }

std::string read(std::filesystem::path const& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

// "POINTER: RULE" of each fault.
std::vector<std::string> faults(CaliperValidator const& validator, std::string_view json) {
  std::vector<std::string> lines;
  for (auto const& fault : validator.check(json))
    lines.push_back(fault.pointer + ": " + fault.rule);
  return lines;
}
std::vector<std::string> faults(std::string_view json) {
  return faults(*CaliperValidator::load(), json);
}

constexpr std::string_view context = R"("@context":"http://purl.imsglobal.org/ctx/caliper/v1p1")";
std::string event(std::string_view members) {
  return fmt::format(
      R"({{{},"id":"urn:uuid:0193536e-5f00-7000-8000-000000000001","eventTime":"2026-10-01T10:00:00.000Z",{}}})",
      context, members);
}
constexpr std::string_view person = R"("actor":{"id":"urn:x:user:1","type":"Person"})";

TEST(CaliperValidatorTest, accepts_a_conforming_event) {
  EXPECT_THAT(
      faults(event(fmt::format(
          R"("type":"ViewEvent",{},"action":"Viewed","object":{{"id":"https://x.example/p","type":"Page","name":"P"}})",
          person))),
      IsEmpty());
  EXPECT_THAT(
      faults(event(
          R"("type":"Event","actor":"urn:x:user:1","action":"Created","object":"https://x.example/thing")")),
      IsEmpty());
}

TEST(CaliperValidatorTest, names_place_and_rule_of_each_fault) {
  auto const found = faults(event(
      R"("type":"GradeEvent","actor":{"type":"Person"},"action":"Scored","object":{"id":"no iri","type":"Attempt","count":"1"},"target":"urn:x:1","mine":1)"));

  EXPECT_THAT(found,
              testing::UnorderedElementsAre(HasSubstr("/actor/id: Person requires it"),
                                            HasSubstr("/action: Scored is no action of GradeEvent"),
                                            HasSubstr("/object/id: is not an absolute IRI"),
                                            HasSubstr("/object/count: is not an integer"),
                                            HasSubstr("/target: does not apply to GradeEvent"),
                                            HasSubstr("/mine: GradeEvent has no such property")));
}

TEST(CaliperValidatorTest, holds_the_envelope_to_its_four_members) {
  auto const one = event(fmt::format(
      R"("type":"ToolUseEvent",{},"action":"Used","object":"https://x.example/")", person));

  EXPECT_THAT(
      faults(fmt::format(
          R"({{"sensor":"https://x.example/","sendTime":"2026-10-01T10:00:00.000Z","dataVersion":"http://purl.imsglobal.org/ctx/caliper/v1p1","data":[{}]}})",
          one)),
      IsEmpty());
  EXPECT_THAT(
      faults(fmt::format(
          R"({{"sendTime":"2026-10-01T10:00:00Z","dataVersion":"v1p2","data":[{},7],"more":1}})",
          one)),
      ElementsAre(HasSubstr("/more: "), HasSubstr("/sensor: is required"),
                  HasSubstr("/sendTime: is not a time"), HasSubstr("/dataVersion: is not"),
                  HasSubstr("/data/1: is neither")));
  EXPECT_THAT(
      faults(
          R"({"sensor":"s","sendTime":"2026-10-01T10:00:00.000Z","dataVersion":"http://purl.imsglobal.org/ctx/caliper/v1p1","data":[]})"),
      ElementsAre(HasSubstr("/data: ")));
}

TEST(CaliperValidatorTest, knows_who_may_do_what_to_what) {
  EXPECT_THAT(
      faults(event(
          R"("type":"NavigationEvent","actor":{"id":"urn:x:1","type":"Group"},"action":"NavigatedTo","object":{"id":"urn:x:2","type":"Person"})")),
      ElementsAre(HasSubstr("/actor/type: Group cannot be the actor"),
                  HasSubstr("/object/type: Person cannot be the object")));
  EXPECT_THAT(
      faults(event(fmt::format(
          R"("type":"SessionEvent",{},"action":"TimedOut","object":{{"id":"urn:x:s","type":"Session"}})",
          person))),
      ElementsAre(HasSubstr("/actor/type: of TimedOut is a SoftwareApplication")));
}

TEST(CaliperValidatorTest, looks_into_nested_entities) {
  EXPECT_THAT(
      faults(event(fmt::format(
          R"("type":"Event",{},"action":"Created","object":{{"id":"urn:x:2","type":"Membership","member":{{"id":"urn:x:3","type":"Group"}},"organization":{{"id":"urn:x:4","type":"Nonsense"}}}})",
          person))),
      ElementsAre(HasSubstr("/object/member/type: Group stands where Person"),
                  HasSubstr("/object/organization/type: Nonsense is no type")));
}

std::string viewed(std::string_view document) {
  return event(fmt::format(
      R"("type":"ViewEvent",{},"action":"Viewed","object":{{"id":"https://x.example/d","type":"Document",{}}})",
      person, document));
}

TEST(CaliperValidatorTest, takes_null_for_nothing_that_is_required) {
  EXPECT_THAT(
      faults(fmt::format(
          R"({{{},"id":null,"type":"ViewEvent","actor":null,"action":null,"object":{{"id":null,"type":"Page"}},"eventTime":null}})",
          context)),
      testing::UnorderedElementsAre(HasSubstr("/id: ViewEvent requires it"),
                                    HasSubstr("/actor: ViewEvent requires it"),
                                    HasSubstr("/action: ViewEvent requires it"),
                                    HasSubstr("/eventTime: ViewEvent requires it"),
                                    HasSubstr("/object/id: Page requires it")));
  EXPECT_THAT(faults(viewed(R"("name":null,"creators":null)")), IsEmpty());
}

TEST(CaliperValidatorTest, looks_at_each_item_of_an_array) {
  EXPECT_THAT(faults(viewed(R"("keywords":["a",1,null,{}])")),
              ElementsAre(HasSubstr("/object/keywords/1: is not a string"),
                          HasSubstr("/object/keywords/2: is not a string"),
                          HasSubstr("/object/keywords/3: is not a string")));
  EXPECT_THAT(
      faults(viewed(
          R"("creators":["urn:x:1",{"id":"urn:x:2","type":"Person"},{"id":"urn:x:3","type":"Document"},"no iri",7])")),
      ElementsAre(HasSubstr("/object/creators/2/type: Document stands where Agent is asked for"),
                  HasSubstr("/object/creators/3: is not an absolute IRI"),
                  HasSubstr("/object/creators/4: is neither an entity nor an IRI")));
  EXPECT_THAT(faults(viewed(R"("keywords":"a")")), ElementsAre(HasSubstr("is not an array")));
}

TEST(CaliperValidatorTest, asks_each_collection_for_its_own_items) {
  auto const items = [](std::string_view type, std::string_view item) {
    return faults(
        fmt::format(R"({{{},"id":"urn:x:1","type":"{}","items":[{{"id":"urn:x:2","type":"{}"}}]}})",
                    context, type, item));
  };

  EXPECT_THAT(items("Forum", "Thread"), IsEmpty());
  EXPECT_THAT(items("Forum", "Message"), ElementsAre(HasSubstr("stands where Thread")));
  EXPECT_THAT(items("Thread", "Message"), IsEmpty());
  EXPECT_THAT(items("Assessment", "AssessmentItem"), IsEmpty());
  EXPECT_THAT(items("Assessment", "Page"), ElementsAre(HasSubstr("stands where AssessmentItem")));
  EXPECT_THAT(items("DigitalResourceCollection", "VideoObject"), IsEmpty());
}

TEST(CaliperValidatorTest, knows_the_closed_vocabularies) {
  auto const membership = [](std::string_view members) {
    return faults(fmt::format(R"({{{},"id":"urn:x:1","type":"Membership",{}}})", context, members));
  };

  EXPECT_THAT(membership(R"("roles":["Learner","Instructor#TeachingAssistant"],"status":"Active")"),
              IsEmpty());
  EXPECT_THAT(membership(R"("roles":["Learner","Wizard",1])"),
              ElementsAre(HasSubstr("/roles/1: Wizard is no Role"), HasSubstr("/roles/2: is not")));
  EXPECT_THAT(membership(R"("status":"active")"), ElementsAre(HasSubstr("active is no Status")));
}

TEST(CaliperValidatorTest, holds_a_selector_to_its_two_positions) {
  auto const selection = [](std::string_view selector) {
    return faults(fmt::format(
        R"({{{},"id":"urn:x:1","type":"HighlightAnnotation","selection":{}}})", context, selector));
  };

  EXPECT_THAT(selection(R"({"type":"TextPositionSelector","start":0,"end":12})"), IsEmpty());
  EXPECT_THAT(
      selection(R"({"type":"TextPositionSelector","start":"a"})"),
      testing::UnorderedElementsAre(HasSubstr("/selection/end: TextPositionSelector requires"),
                                    HasSubstr("/selection/start: is not an integer")));
  EXPECT_THAT(selection(R"({"type":"TextPositionSelector","start":-1,"end":1.5,"more":1})"),
              ElementsAre(HasSubstr("/start: is less than 0"), HasSubstr("/end: is not an integer"),
                          HasSubstr("/more: ")));
  EXPECT_THAT(selection(R"({"type":"Page","start":1,"end":2})"),
              ElementsAre(HasSubstr("/type: Page stands where TextPositionSelector")));
  EXPECT_THAT(selection(R"("urn:x:2")"), ElementsAre(HasSubstr("is not a TextPositionSelector")));
}

TEST(CaliperValidatorTest, takes_a_number_without_a_fraction_for_an_integer) {
  auto const count = [](std::string_view number) {
    return faults(
        fmt::format(R"({{{},"id":"urn:x:1","type":"Attempt","count":{}}})", context, number));
  };

  EXPECT_THAT(count("2.0"), IsEmpty());
  EXPECT_THAT(count("1e2"), IsEmpty());
  EXPECT_THAT(count("2.5"), ElementsAre(HasSubstr("is not an integer")));
}

TEST(CaliperValidatorTest, takes_the_id_of_an_event_in_any_case) {
  EXPECT_THAT(
      faults(fmt::format(
          R"({{{},"id":"URN:UUID:0193536E-5F00-7000-8000-000000000001","type":"ViewEvent",{},"action":"Viewed","object":"urn:x:1","eventTime":"2026-10-01T10:00:00.000Z"}})",
          context, person)),
      IsEmpty());
}

TEST(CaliperValidatorTest, takes_what_is_no_json_as_one_fault) {
  EXPECT_EQ(faults("{").size(), 1U);
  EXPECT_THAT(faults("[]"), ElementsAre(": is not an object"));
  EXPECT_THAT(faults("{}"), ElementsAre(HasSubstr("/type: is required")));
}

TEST(CaliperValidatorTest, bounds_what_it_tells) {
  std::string data;
  for (int i = 0; i < 500; ++i) data += i == 0 ? "1" : ",1";

  EXPECT_EQ(faults(fmt::format(R"({{"data":[{}]}})", data)).size(), 100U);
}

TEST(CaliperValidatorTest, finds_nothing_wrong_with_our_own_golden_files_in_the_profile_of_canvas) {
  auto const validator = CaliperValidator::load("canvas");
  int checked = 0;
  for (auto const& entry : std::filesystem::directory_iterator(source() / "tests/golden/caliper")) {
    EXPECT_THAT(faults(*validator, read(entry.path())), IsEmpty()) << entry.path();
    ++checked;
  }
  EXPECT_EQ(checked, 32);
  EXPECT_THAT(faults(read(source() / "tests/golden/caliper/submission_created.json")),
              testing::Not(IsEmpty()))
      << "Canvas does this otherwise on purpose";
}

TEST(CaliperValidatorTest, knows_its_profiles) {
  EXPECT_EQ(CaliperValidator::load("moodle").error().fault, Fault::missing);
}

TEST(CaliperValidatorTest, gives_the_published_fixtures_the_right_answer) {
  auto const folder = source() / "../shared/caliper/fixtures";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the published fixtures are not here";
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    auto const found = faults(read(entry.path()));
    // This one generates an Attempt where the specification's table asks for a Response.
    if (entry.path().filename() == "caliperEventAssessmentItemStarted.json") {
      EXPECT_THAT(found, ElementsAre(HasSubstr("/generated/type: Attempt")));
    } else {
      EXPECT_THAT(found, IsEmpty()) << entry.path().filename();
    }
  }
}

}  // namespace
}  // namespace millrace::formats
