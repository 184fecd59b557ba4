#include "model/catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "json/strict.h"

namespace millrace::model {
namespace {

using ::testing::HasSubstr;

Catalog const& catalog() {
  static Catalog const loaded = Catalog::load();
  return loaded;
}

// What parse() says to an entry in which one member is replaced.
std::string told(std::string_view from, std::string_view to) {
  std::string text =
      R"({"name":"x","title":"t","category":"c","trigger":"w","documented":true,"born":"user",)"
      R"("fields":[{"name":"f","type":"id","meaning":"m"}],"example":{"metadata":{},"body":{"f":"1"}}})";
  auto const at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  text.replace(at, from.size(), to);
  auto const parsed = Catalog::parse({text});
  return parsed ? "" : parsed.error().what;
}

TEST(CatalogParse, takes_an_entry_that_has_all) { EXPECT_EQ(told("\"x\"", "\"x\""), ""); }

TEST(CatalogParse, says_what_is_wrong_and_where) {
  EXPECT_EQ(told(R"("title":"t",)", ""), "catalogue: x: lacks title");
  EXPECT_EQ(told(R"("category":"c","trigger":"w")", R"("x":1)"),
            "catalogue: x: lacks category, trigger");
  EXPECT_EQ(told(R"("meaning":"m")", R"("meaning":5)"), "catalogue: x: a field lacks meaning");
  EXPECT_EQ(told(R"([{"name":"f","type":"id","meaning":"m"}])", "{}"),
            "catalogue: x: has no fields");
  EXPECT_EQ(told(R"({"name":"f","type":"id","meaning":"m"})", "7"),
            "catalogue: x: a field is not an object");
  EXPECT_EQ(told(R"("body":)", R"("boddy":)"), "catalogue: x: has no example");
  EXPECT_NE(told(R"("name":"x")", R"("name":)"), "");
}

TEST(CatalogParse, refuses_what_is_no_object_and_names_that_stand_twice) {
  EXPECT_FALSE(Catalog::parse({"[]"}));
  auto const text = std::string(catalog_texts().front());
  auto const twice = Catalog::parse({text, text});
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().what, HasSubstr("stands twice"));
}

TEST(CatalogTest, knows_82_documented_events_and_those_that_are_not) {
  std::size_t documented = 0, caliper = 0;
  for (auto const& event : catalog().events()) {
    documented += event.documented ? 1 : 0;
    caliper += event.caliper.empty() ? 0 : 1;
  }

  EXPECT_EQ(documented, 82);
  EXPECT_EQ(caliper, 32);
  EXPECT_EQ(catalog().events().size(), 99);
  EXPECT_EQ(catalog().find("grade_change")->category, "grade");
  EXPECT_EQ(catalog().find("nothing"), nullptr);
  EXPECT_EQ(catalog().find(""), nullptr);
}

// Whether a JSON value is of a type as the catalogue names it.
bool fits(boost::json::value const& value, CatalogField const& field) {
  if (value.is_null()) return field.nullable;
  std::stringstream types(field.type);
  for (std::string type; types >> type;) {
    if (type == "string" && value.is_string()) return true;
    if (type == "time" && value.is_string()) return true;
    if (type == "id" && value.is_string() && !value.get_string().empty()) return true;
    if (type == "integer" && value.is_int64()) return true;
    if (type == "number" && value.is_number()) return true;
    if (type == "boolean" && value.is_bool()) return true;
    if (type == "array" && value.is_array()) return true;
    if (type == "object" && value.is_object()) return true;
  }
  return false;
}

TEST(CatalogTest, has_of_each_event_what_its_page_shows) {
  std::set<std::string> const types{"string",  "time",  "id",     "integer", "number",
                                    "boolean", "array", "object", "or"};
  for (auto const& event : catalog().events()) {
    SCOPED_TRACE(event.name);
    EXPECT_FALSE(event.title.empty());
    EXPECT_TRUE(event.trigger.ends_with('.')) << event.trigger;
    EXPECT_EQ(event.caliper_category.empty(), event.caliper.empty());
    if (event.documented && event.name != "logged_out") {  // its body is empty
      EXPECT_FALSE(event.fields.empty());
    }
    std::set<std::string> names;
    for (auto const& field : event.fields) {
      SCOPED_TRACE(field.name);
      EXPECT_TRUE(names.insert(field.name).second) << "stands twice";
      EXPECT_TRUE(field.meaning.ends_with('.')) << field.meaning;
      std::stringstream words(field.type);
      for (std::string word; words >> word;) EXPECT_TRUE(types.contains(word)) << word;
    }
  }
}

TEST(CatalogTest, shows_examples_that_are_such_events) {
  json::Parser parser;
  for (auto const& event : catalog().events()) {
    SCOPED_TRACE(event.name);
    auto const text = event.example();
    auto const split = json::split_event(text, parser);
    ASSERT_TRUE(split) << split.error().what;
    EXPECT_EQ(split->event_name, event.name);
    EXPECT_FALSE(split->account().empty());
    auto const metadata = boost::json::parse(event.metadata).as_object();
    EXPECT_EQ(metadata.contains("job_id"), event.system_born);
    EXPECT_NE(metadata.contains("request_id"), event.system_born);
    auto const body = boost::json::parse(event.body).as_object();
    for (auto const& [name, value] : body) {
      auto const at = std::ranges::find(event.fields, std::string(name), &CatalogField::name);
      if (event.fields.empty()) continue;
      ASSERT_NE(at, event.fields.end()) << "the example has a field that is not listed: " << name;
      EXPECT_TRUE(fits(value, *at)) << name << " is not " << at->type;
    }
  }
}

// ---- held against what is known of Canvas, where that lies beside the checkout

std::vector<std::vector<std::string>> table(std::string const& name) {
  std::ifstream file(std::filesystem::path(MILLRACE_SOURCE_DIR) / "../shared/canvas" / name);
  std::vector<std::vector<std::string>> rows;
  std::string line;
  std::getline(file, line);  // the head
  while (std::getline(file, line)) {
    auto& row = rows.emplace_back();
    std::stringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
  }
  return rows;
}

std::string event_of(std::string name) {
  return name == "outcomes_retry_outcome_alignment_clone" ? "outcomes.retry_outcome_alignment_clone"
                                                          : name;
}

TEST(CatalogAgainstCanvas, has_the_categories_of_each_documented_event) {
  auto const rows = table("index.tsv");
  if (rows.empty()) GTEST_SKIP() << "../shared/canvas/index.tsv is not here";
  std::set<std::string> documented;
  for (auto const& row : rows) {
    auto const name = event_of(row.at(0));
    auto const* const event = catalog().find(name);
    ASSERT_NE(event, nullptr) << name;
    documented.insert(name);
    EXPECT_EQ(event->category, row.at(1)) << name;
    EXPECT_EQ(event->caliper_category, row.at(2) == "-" ? "" : row.at(2)) << name;
    EXPECT_TRUE(event->documented) << name;
  }
  for (auto const& event : catalog().events())
    EXPECT_EQ(event.documented, documented.contains(event.name)) << event.name;
}

TEST(CatalogAgainstCanvas, has_each_documented_field_with_a_type_that_fits_and_no_other) {
  auto const rows = table("body_fields.tsv");
  if (rows.empty()) GTEST_SKIP() << "../shared/canvas/body_fields.tsv is not here";
  std::map<std::string, std::set<std::string>> const fitting{
      {"string", {"string"}},         {"string(id)", {"id", "string"}},
      {"string(time)", {"time"}},     {"bool", {"boolean"}},
      {"int", {"integer", "number"}}, {"float", {"number"}},
      {"object", {"object"}},         {"array", {"array"}},
      {"null/string", {"string"}}};
  std::map<std::string, std::set<std::string>> fields;
  for (auto const& row : rows) {
    auto const name = event_of(row.at(0));
    fields[name].insert(row.at(1));
    auto const* const event = catalog().find(name);
    ASSERT_NE(event, nullptr) << name;
    auto const field = std::ranges::find(event->fields, row.at(1), &CatalogField::name);
    ASSERT_NE(field, event->fields.end()) << name << "." << row.at(1);
    if (row.at(2).contains("null")) {
      EXPECT_TRUE(field->nullable) << name << "." << row.at(1);
    }
    auto const types = fitting.find(row.at(2));
    if (types == fitting.end()) continue;  // null, or not in the example
    EXPECT_TRUE(types->second.contains(field->type))
        << name << "." << row.at(1) << ": " << field->type << " for " << row.at(2);
  }
  for (auto const& event : catalog().events())
    for (auto const& field : event.fields)
      if (event.documented && !field.undescribed)
        EXPECT_TRUE(fields[event.name].contains(field.name)) << event.name << "." << field.name;
}

std::string bare(std::string_view sentence) {  // without case, spaces and signs
  std::string out;
  for (char const c : sentence)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

TEST(CatalogAgainstCanvas, says_everything_in_words_of_its_own) {
  auto const rows = table("body_fields.tsv");
  if (rows.empty()) GTEST_SKIP() << "../shared/canvas/body_fields.tsv is not here";
  std::set<std::string> theirs;
  for (auto const& row : rows)
    if (row.size() > 3 && !row.at(3).empty()) theirs.insert(bare(row.at(3)));
  auto const folder =
      std::filesystem::path(MILLRACE_SOURCE_DIR) / "../shared/canvas/event-types/canvas";
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    auto const event = boost::json::parse(text.str()).as_object();
    for (auto const* const key : {"definition", "trigger"})
      if (auto const* const value = event.if_contains(key); value != nullptr && value->is_string())
        theirs.insert(bare(std::string_view(value->get_string())));
  }
  theirs.erase("");

  for (auto const& event : catalog().events()) {
    EXPECT_FALSE(theirs.contains(bare(event.trigger))) << event.name << ": " << event.trigger;
    for (auto const& field : event.fields)
      EXPECT_FALSE(theirs.contains(bare(field.meaning)))
          << event.name << "." << field.name << ": " << field.meaning;
  }
}

}  // namespace
}  // namespace millrace::model
