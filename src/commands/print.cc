#include "commands/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "json/write.h"

namespace millrace::commands {

std::string json_text(boost::json::value const& value) {
  if (auto const* number = value.if_double()) return fmt::format("{}", *number);  // not 1.5E0
  if (auto const* list = value.if_array()) {
    std::string text = "[";
    for (auto const& item : *list) text += (text.size() > 1 ? "," : "") + json_text(item);
    return text + ']';
  }
  if (auto const* object = value.if_object()) {
    std::string text = "{";
    for (auto const& member : *object) {
      if (text.size() > 1) text += ',';
      json::append_string(text, std::string_view(member.key()));
      text += ':' + json_text(member.value());
    }
    return text + '}';
  }
  return boost::json::serialize(value);
}

void print_json(boost::json::value const& value) { fmt::print("{}\n", json_text(value)); }

void print_json_list(boost::json::array const& items) {
  print_json(boost::json::object{{"items", items}, {"next", nullptr}});
}

namespace {

// How many bytes at `i` are a character that steers the terminal or turns the text around: a C1 control, a line or paragraph
// separator, a mark of direction. 0: none.
std::size_t steering_bytes(std::string_view text, std::size_t i) {
  auto const byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  if (byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0) return 2;
  if (byte(i) != 0xE2) return 0;
  auto const last = byte(i + 2);
  if (byte(i + 1) == 0x80 && ((last >= 0x8E && last <= 0x8F) || (last >= 0xA8 && last <= 0xAE)))
    return 3;
  return byte(i + 1) == 0x81 && last >= 0xA6 && last <= 0xA9 ? 3 : 0;
}

}  // namespace

std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    if (c == '\n' || c == '\t' || c == '\r') {
      out += ' ';
    } else if (c < 0x20 || c == 0x7F) {
      out += '?';
    } else if (auto const bytes = steering_bytes(text, i); bytes > 0) {
      out += '?';
      i += bytes - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string shown(boost::json::value const* value) {
  if (value == nullptr || value->is_null()) return {};
  if (auto const* text = value->if_string()) return harmless(*text);
  if (auto const* list = value->if_array()) {
    std::string joined;
    for (auto const& item : *list) {
      if (!joined.empty()) joined += ", ";
      joined += shown(&item);
    }
    return joined;
  }
  if (auto const* flag = value->if_bool()) return *flag ? "yes" : "no";
  return harmless(json_text(*value));
}

std::string shown(boost::json::object const& object, std::string_view key) {
  return shown(object.if_contains(key));
}

namespace {

boost::json::value const* value_at(boost::json::object const& object,
                                   std::initializer_list<std::string_view> path) {
  boost::json::object const* at = &object;
  boost::json::value const* value = nullptr;
  for (auto const key : path) {
    value = at != nullptr ? at->if_contains(key) : nullptr;
    at = value != nullptr ? value->if_object() : nullptr;
  }
  return value;
}

}  // namespace

std::string shown_at(boost::json::object const& object,
                     std::initializer_list<std::string_view> path) {
  return shown(value_at(object, path));
}

std::uint64_t count_at(boost::json::object const& object,
                       std::initializer_list<std::string_view> path) {
  auto const* const value = value_at(object, path);
  if (value == nullptr) return 0;
  if (auto const* number = value->if_uint64()) return *number;
  if (auto const* number = value->if_int64(); number != nullptr && *number > 0)
    return static_cast<std::uint64_t>(*number);
  return 0;
}

std::string counted(std::uint64_t count, std::string_view one) {
  auto digits = fmt::format("{}", count);
  for (auto at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return fmt::format("{} {}{}", digits, one, count == 1 ? "" : "s");
}

void print_fields(boost::json::object const& object, int indent) {
  std::size_t width = 0;
  for (auto const& member : object)
    if (!member.value().is_object()) width = std::max(width, member.key().size());
  for (auto const& member : object) {
    auto const key = harmless(std::string_view(member.key()));
    if (auto const* inner = member.value().if_object(); inner != nullptr && !inner->empty()) {
      fmt::print("{:{}}{}:\n", "", indent, key);
      print_fields(*inner, indent + 2);
    } else {
      fmt::print("{:{}}{:<{}}  {}\n", "", indent, key + ":", width + 1,
                 inner == nullptr && !member.value().is_null() ? shown(&member.value()) : "-");
    }
  }
}

}  // namespace millrace::commands
