#include "formats/caliper.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "formats/caliper_validator.h"
#include "json/strict.h"

namespace millrace::formats {
namespace {

using boost::json::value;

class CaliperTest : public testing::Test {
 protected:
  static model::Catalog const& catalog() {
    static model::Catalog const loaded = model::Catalog::load();
    return loaded;
  }
  static CaliperRenderer const& renderer() {
    static CaliperRenderer const made = std::move(*CaliperRenderer::make(catalog()));
    return made;
  }
  static Result<std::string> render(std::string_view type, std::string_view metadata,
                                    std::string_view body) {
    model::EventBlock block;
    block.add("account", type, metadata, body);
    return renderer().render(type, block[0], from_unix_ms(1'795'288'567'123),
                             *EventId::parse("0193536e-5f00-7000-8000-000000000001"));
  }
  // The one event in the envelope.
  static value event_of(std::string_view type, std::string_view metadata, std::string_view body) {
    auto const text = render(type, metadata, body);
    EXPECT_TRUE(text.has_value()) << text.error().what;
    return boost::json::parse(*text).at("data").at(0);
  }
  static std::string read(std::filesystem::path const& path) {
    std::ifstream file(path);
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
  }
  // The event as the pair has it, whatever was made up for the example: id and time of sending.
  static void take_ids(value& envelope) {
    envelope.as_object().erase("sendTime");
    envelope.at("data").at(0).as_object().erase("id");
  }
  static std::filesystem::path source() { return MILLRACE_SOURCE_DIR; }
};

constexpr std::string_view people =
    R"("user_id":"7","user_login":"ada","user_sis_id":"S7","root_account_id":"1")";
std::string metadata(std::string_view more) {
  return fmt::format(R"({{"event_time":"2026-10-01T10:00:00.000Z","hostname":"c.example"{}}})",
                     more);
}

TEST_F(CaliperTest, has_a_form_for_the_32_events_that_have_one) {
  int forms = 0;
  for (auto const& event : catalog().events()) {
    EXPECT_EQ(renderer().has_form(event.name), !event.caliper_category.empty()) << event.name;
    forms += renderer().has_form(event.name) ? 1 : 0;
  }

  EXPECT_EQ(forms, 32);
  EXPECT_EQ(render("module_created", "{}", "{}").error().fault, Fault::missing);
}

TEST_F(CaliperTest, renders_the_example_of_each_event_as_its_golden_file_shows) {
  for (auto const& event : catalog().events()) {
    if (event.caliper.empty()) continue;
    auto const path = source() / "tests/golden/caliper" / (event.name + ".json");
    auto const rendered = render(event.name, event.metadata, event.body);
    ASSERT_TRUE(rendered.has_value()) << event.name << ": " << rendered.error().what;

    auto const golden = read(path);

    ASSERT_FALSE(golden.empty()) << path << " is missing; rendered: " << *rendered;
    EXPECT_EQ(boost::json::parse(*rendered), boost::json::parse(golden)) << event.name << "\n"
                                                                         << *rendered;
  }
}

TEST_F(CaliperTest, reproduces_every_published_pair) {
  auto const folder = source() / "../shared/canvas/caliper-pairs";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the published pairs are not here";
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    auto const text = read(entry.path());
    json::Parser parser;
    auto const member = [&](std::string_view object, std::string_view key) {
      auto const members = parser.members(object);
      for (auto const& each : *members)
        if (each.key == key) return std::string(each.value);
      return std::string();
    };
    auto const canvas = member(text, "canvas");
    auto pair = boost::json::parse(text);
    auto const type = std::string(pair.at("event").as_string());

    auto const rendered = render(type, member(canvas, "metadata"), member(canvas, "body"));

    ASSERT_TRUE(rendered.has_value()) << entry.path();
    auto got = boost::json::parse(*rendered);
    auto wanted = pair.at("caliper");
    take_ids(got);
    take_ids(wanted);
    EXPECT_EQ(got, wanted) << entry.path().filename() << "\n got    " << boost::json::serialize(got)
                           << "\n wanted " << boost::json::serialize(wanted);
  }
}

TEST_F(CaliperTest, takes_the_software_as_actor_where_no_user_is_named) {
  auto const event =
      event_of("course_created", metadata(R"(,"user_id":null)"), R"({"course_id":"5","name":"L"})");

  EXPECT_EQ(event.at("actor"),
            boost::json::parse(R"({"id":"http://c.example/","type":"SoftwareApplication"})"));
}

TEST_F(CaliperTest, falls_back_to_the_user_of_the_body_for_submissions) {
  auto const event = event_of("submission_created", metadata(R"(,"root_account_id":"1")"),
                              R"({"submission_id":"9","assignment_id":"4","user_id":"7"})");

  EXPECT_EQ(event.at("actor").at("id"), "urn:instructure:canvas:user:7");
  EXPECT_EQ(event.at("actor").at("extensions").at("com.instructure.canvas"),
            boost::json::parse(R"({"root_account_id":"1","entity_id":"7"})"));
}

TEST_F(CaliperTest, names_the_masquerading_user) {
  auto const event =
      event_of("course_created", metadata(fmt::format(R"(,{},"real_user_id":"99")", people)),
               R"({"course_id":"5"})");

  EXPECT_EQ(event.at("actor").at("extensions").at("com.instructure.canvas").at("real_user_id"),
            "99");
}

TEST_F(CaliperTest, describes_an_event_born_in_a_job) {
  auto const event =
      event_of("wiki_page_created",
               R"({"event_time":"2026-10-01T10:00:00.000Z","job_id":"12","job_tag":"Wiki#run"})",
               R"({"wiki_page_id":"3","title":"T"})");

  EXPECT_EQ(event.at("edApp").at("id"), "http://www.canvaslms.com/");
  EXPECT_EQ(event.at("extensions").at("com.instructure.canvas"),
            boost::json::parse(R"({"job_id":"12","job_tag":"Wiki#run","version":"1.0.0"})"));
  EXPECT_FALSE(event.as_object().contains("session"));
  EXPECT_FALSE(event.as_object().contains("group"));
}

TEST_F(CaliperTest, leaves_group_and_membership_out_in_contexts_that_are_no_course) {
  for (auto const* const context : {"Account", "Group", "User"}) {
    auto const event = event_of(
        "wiki_page_created",
        metadata(fmt::format(R"(,{},"context_type":"{}","context_id":"8")", people, context)),
        R"({"wiki_page_id":"3"})");
    EXPECT_FALSE(event.as_object().contains("group")) << context;
    EXPECT_FALSE(event.as_object().contains("membership")) << context;
  }
}

TEST_F(CaliperTest, gives_an_unknown_role_as_user_without_roles) {
  auto const event = event_of(
      "wiki_page_created",
      metadata(fmt::format(
          R"(,{},"context_type":"Course","context_id":"8","context_role":"Librarian")", people)),
      R"({"wiki_page_id":"3"})");

  EXPECT_EQ(event.at("membership").at("id"), "urn:instructure:canvas:course:8:user:7");
  EXPECT_FALSE(event.at("membership").as_object().contains("roles"));
}

TEST_F(CaliperTest, prefers_the_context_of_the_body) {
  auto const event =
      event_of("group_created",
               metadata(fmt::format(R"(,{},"context_type":"Account","context_id":"8")", people)),
               R"({"group_id":"3","context_type":"Course","context_id":"44"})");

  EXPECT_EQ(event.at("group").at("id"), "urn:instructure:canvas:course:44");
}

TEST_F(CaliperTest, converts_times_to_utc_with_milliseconds) {
  auto const event = event_of(
      "enrollment_state_created",
      R"({"event_time":"2026-10-01 02:00:00 -0800","hostname":"c.example"})",
      R"({"enrollment_id":"3","state_started_at":"2026-10-05 05:38:00 -0800","state_valid_until":"2026-11-05T13:38:00Z"})");

  EXPECT_EQ(event.at("eventTime"), "2026-10-01T10:00:00.000Z");
  EXPECT_EQ(event.at("object").at("startedAtTime"), "2026-10-05T13:38:00.000Z");
  EXPECT_EQ(
      event.at("object").at("extensions").at("com.instructure.canvas").at("state_valid_until"),
      "2026-11-05T13:38:00.000Z");
}

TEST_F(CaliperTest, keeps_numbers_and_text_as_they_were_written) {
  auto const text = render("grade_change", metadata(""),
                           "{\"submission_id\":\"1\",\"score\":5.0,\"points_possible\":1e2,"
                           "\"grade\":\"A+ \\u00e9 \u00fc\",\"student_sis_id\":\"a+b%20c\"}");

  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(*text, testing::HasSubstr(R"("scoreGiven":5.0)"));
  EXPECT_THAT(*text, testing::HasSubstr(R"("maxScore":1e2)"));
  EXPECT_THAT(*text, testing::HasSubstr("\"grade\":\"A+ \\u00e9 \u00fc\""));
}

TEST_F(CaliperTest, gives_every_id_as_text) {
  auto const event = event_of(
      "assignment_override_created",
      R"({"event_time":"2026-10-01T10:00:00Z","hostname":"c.example","user_id":7,"root_account_id":1,"context_type":"Course","context_id":8})",
      R"({"assignment_override_id":3,"assignment_id":4,"all_day_date":"2026-10-05"})");
  auto const& own = event.at("object").at("extensions").at("com.instructure.canvas");

  EXPECT_EQ(event.at("object").at("id"), "urn:instructure:canvas:assignment_override:3");
  EXPECT_EQ(own.at("entity_id"), "3");
  EXPECT_EQ(own.at("assignment_id"), "4");
  auto const& actor = event.at("actor").at("extensions").at("com.instructure.canvas");
  EXPECT_EQ(actor.at("root_account_id"), "1");
  EXPECT_EQ(actor.at("entity_id"), "7");
  EXPECT_EQ(event.at("group").at("extensions").at("com.instructure.canvas").at("entity_id"), "8");
}

TEST_F(CaliperTest, stays_json_where_objects_stand_for_ids) {
  auto const event = event_of(
      "asset_accessed",
      R"({"event_time":{"a":1},"hostname":["x"],"user_id":{"b":"c"},"session_id":[1],"context_type":"Course","context_id":{"d":2}})",
      R"({"asset_id":"3","asset_type":"course","asset_subtype":{"e":"f"}})");

  EXPECT_EQ(event.at("edApp").at("id"), "http://www.canvaslms.com/");
  EXPECT_EQ(event.at("actor").at("type"), "SoftwareApplication");
  EXPECT_FALSE(event.as_object().contains("group"));
  EXPECT_FALSE(event.as_object().contains("session"));
  EXPECT_EQ(event.at("eventTime"), "2026-11-21T19:16:07.123Z");
}

TEST_F(CaliperTest, finds_the_end_of_long_strings_with_escapes_anywhere) {
  for (std::size_t before = 0; before < 40; ++before) {
    auto const title = std::string(before, 'x') + R"(\\\"y\\)" + std::string(before % 19, 'z');
    auto const text = render("assignment_created", metadata(""),
                             fmt::format(R"({{"title":"{}","assignment_id":"4"}})", title));
    ASSERT_TRUE(text.has_value()) << title;
    EXPECT_THAT(*text, testing::HasSubstr("\"name\":\"" + title + "\""));
    EXPECT_TRUE(json::Parser().validate(*text).has_value());
  }
}

TEST_F(CaliperTest, treats_null_as_absent) {
  auto const event =
      event_of("assignment_created", metadata(R"(,"referrer":null,"session_id":null)"),
               R"({"assignment_id":"4","due_at":null,"points_possible":null,"title":"T"})");

  EXPECT_EQ(
      event.at("object"),
      boost::json::parse(
          R"({"id":"urn:instructure:canvas:assignment:4","type":"AssignableDigitalResource","name":"T","extensions":{"com.instructure.canvas":{"entity_id":"4"}}})"));
  EXPECT_FALSE(event.as_object().contains("referrer"));
}

TEST_F(CaliperTest, refuses_an_event_that_lacks_the_id_of_its_object) {
  auto const rendered = render("assignment_created", metadata(""), R"({"title":"T"})");

  ASSERT_FALSE(rendered.has_value());
  EXPECT_EQ(rendered.error().fault, Fault::invalid);
}

TEST_F(CaliperTest, gives_the_same_bytes_each_time) {
  auto const* const event = catalog().find("grade_change");

  EXPECT_EQ(*render(event->name, event->metadata, event->body),
            *render(event->name, event->metadata, event->body));
}

TEST_F(CaliperTest, says_where_a_mapping_is_wrong) {
  auto const with = [](std::string_view mapping) {
    auto const text = fmt::format(
        R"({{"name":"x","title":"t","category":"c","trigger":"t","born":"user","fields":[],"example":{{"metadata":{{}},"body":{{}}}},"caliper":{}}})",
        mapping);
    auto const made = CaliperRenderer::make(*model::Catalog::parse({text}));
    return made ? std::string("accepted") : made.error().what;
  };

  EXPECT_EQ(with(R"({"type":"Event","action":"Created"})"),
            "catalogue: x: a mapping has type, action and object");
  EXPECT_EQ(
      with(R"({"type":"Event","action":"Created","object":{"id":"urn:{nope}","type":"'Page"}})"),
      "catalogue: x: /object/id: knows no 'nope'");
  EXPECT_EQ(
      with(R"({"type":"Event","action":"Created","object":{"type":"'Page","name":"body.x|time"}})"),
      "catalogue: x: /object/name: knows no change 'time' here");
  EXPECT_EQ(with(R"({"type":"Event","action":"Created","object":{"type":"'Page","at":"body.x"}})"),
            "catalogue: x: /object/at: Page has no such property");
  EXPECT_EQ(with(R"({"type":"Event","action":"Created","object":{"type":"body.x"}})"),
            "catalogue: x: /object/type: is not ' and a type of Caliper 1.1");
}

TEST_F(CaliperTest, leaves_free_text_out_where_caliper_has_a_grammar) {
  auto const event = event_of(
      "assignment_created",
      R"({"event_time":"","hostname":"two words","referrer":"canvas app","session_id":"a b","user_id":"7","context_type":"Course","context_id":"8 9"})",
      R"({"assignment_id":"4","title":42,"description":{"a":1},"due_at":"tomorrow","points_possible":"ten"})");

  EXPECT_EQ(event.at("eventTime"), "2026-11-21T19:16:07.123Z");
  EXPECT_EQ(event.at("edApp").at("id"), "http://www.canvaslms.com/");
  for (auto const* const absent : {"referrer", "session", "group", "membership"})
    EXPECT_FALSE(event.as_object().contains(absent)) << absent;
  EXPECT_EQ(
      event.at("object"),
      boost::json::parse(
          R"({"id":"urn:instructure:canvas:assignment:4","type":"AssignableDigitalResource","name":"42","extensions":{"com.instructure.canvas":{"entity_id":"4"}}})"));
}

TEST_F(CaliperTest, keeps_a_referrer_as_browsers_and_canvas_write_it) {
  auto const* const referrer = R"("https:\/\/c.example\/a?include[]=x\u0026b=%20")";
  auto const text =
      render("assignment_created", metadata(fmt::format(R"(,"referrer":{})", referrer)),
             R"({"assignment_id":"4"})");

  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(*text, testing::HasSubstr(fmt::format(R"("referrer":{})", referrer)));
}

// Each field that a mapping may copy, with each of these in its place: Caliper, or no event at all for want of an id.
TEST_F(CaliperTest, gives_valid_caliper_whatever_stands_in_a_field) {
  auto const validator = CaliperValidator::load("canvas");
  int rendered = 0;
  for (auto const& event : catalog().events()) {
    if (event.caliper.empty()) continue;
    for (auto const* const odd :
         {R"("")", R"("two words")", R"("<a>\n\"")", R"("\u0000%zz")", "7", "-1.50", "true",
          R"({"a":[1]})", R"("2026-99-99T99:99:99.000Z")"}) {
      for (bool const in_body : {false, true}) {
        auto const& part = in_body ? event.body : event.metadata;
        auto const members = boost::json::parse(part).as_object();
        for (auto const& member : members) {
          auto changed = members;
          changed[member.key()] = boost::json::parse(odd);
          auto const text = boost::json::serialize(changed);
          auto const envelope =
              render(event.name, in_body ? event.metadata : text, in_body ? text : event.body);
          if (!envelope) {
            EXPECT_EQ(envelope.error().fault, Fault::invalid);
            continue;
          }
          ++rendered;
          for (auto const& fault : validator->check(*envelope))
            ADD_FAILURE() << event.name << ": " << std::string_view(member.key()) << " = " << odd
                          << ": " << fault.pointer << ": " << fault.rule;
        }
      }
    }
  }
  EXPECT_GT(rendered, 5000);
}

}  // namespace
}  // namespace millrace::formats
