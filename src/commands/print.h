// What people and programs read on stdout: JSON whole, values as text without what steers a terminal.
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <initializer_list>
#include <string>
#include <string_view>

namespace millrace::commands {

// A value as JSON text, numbers as people write them; and printed, with a line end.
std::string json_text(boost::json::value const& value);
void print_json(boost::json::value const& value);
// A list in the form that the API gives lists: {"items": […], "next": null}.
void print_json_list(boost::json::array const& items);

// As a person reads it in a table or a list: text bare, null as "", arrays joined by commas, what is nested as JSON.
std::string shown(boost::json::value const* value);
std::string shown(boost::json::object const& object, std::string_view key);
std::string shown_at(boost::json::object const& object,
                     std::initializer_list<std::string_view> path);
// A number of the answer; 0 where there is none.
std::uint64_t count_at(boost::json::object const& object,
                       std::initializer_list<std::string_view> path);
// "1 event", "2,000 events".
std::string counted(std::uint64_t count, std::string_view one);
// "name:  value" lines of an object; what is nested is indented.
void print_fields(boost::json::object const& object, int indent = 0);
// What came from outside, safe to print: no control characters, nothing that turns the direction of the text.
std::string harmless(std::string_view text);

}  // namespace millrace::commands
