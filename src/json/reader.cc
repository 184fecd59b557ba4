#include "json/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>

#include "base/nearest.h"
#include "json/write.h"

namespace millrace::json {
namespace {

constexpr std::size_t most_refused = 100;  // fields that are told, and guessed at, of one object

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string_view view(boost::json::string const& s) { return {s.data(), s.size()}; }
std::string_view view(boost::json::string_view s) { return {s.data(), s.size()}; }

std::string listed(std::vector<std::string_view> const& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out.append(i == 0 ? "" : i + 1 == words.size() ? " or " : ", ").append(words[i]);
  return out;
}

}  // namespace

Result<boost::json::value> parse(std::string_view text, Limits limits) {
  Parser parser;
  if (auto good = parser.validate_unique(text, limits); !good) return pass(good);
  boost::json::parse_options options;
  options.max_depth = limits.depth;
  boost::system::error_code error;
  auto value =
      boost::json::parse(boost::json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return fail(Fault::invalid, fmt::format("is not JSON: {}", error.message()));
  return value;
}

std::optional<std::string_view> text_at(boost::json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(boost::json::string_view(key.data(), key.size()));
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return view(value->get_string());
}

boost::json::value const* Fields::member(std::string_view key) {
  if (std::ranges::find(asked_, key) == asked_.end()) asked_.push_back(key);
  return object_.if_contains(boost::json::string_view(key.data(), key.size()));
}

std::string Fields::pointer_of(std::string_view key) const {
  if (key.empty()) return pointer_;
  std::string out = pointer_ + "/";
  for (char const c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

void Fields::wrong(std::string_view key, std::string message) {
  troubles_.push_back({pointer_of(key), std::move(message)});
}

std::optional<std::string> Fields::sized(std::string_view key, std::size_t least,
                                         std::size_t most) {
  auto const* const value = member(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong(key, "is not a string"), std::nullopt;
  auto const text = view(value->get_string());
  if (text.size() < least)
    return wrong(key, text.empty() ? "is empty" : fmt::format("is shorter than {} bytes", least)),
           std::nullopt;
  if (text.size() > most)
    return wrong(key, fmt::format("is longer than {} bytes", most)), std::nullopt;
  return std::string(text);
}

std::optional<std::string> Fields::text(std::string_view key, std::size_t least, std::size_t most) {
  auto text = sized(key, least, most);
  if (text && has_control(*text)) return wrong(key, "holds a control character"), std::nullopt;
  return text;
}

std::optional<std::string> Fields::lines(std::string_view key, std::size_t least,
                                         std::size_t most) {
  auto text = sized(key, least, most);
  if (!text) return text;
  auto rest = *text;
  std::erase_if(rest, [](char c) { return c == '\n' || c == '\r' || c == '\t'; });
  if (has_control(rest)) return wrong(key, "holds a control character"), std::nullopt;
  return text;
}

std::optional<bool> Fields::flag(std::string_view key) {
  auto const* const value = member(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) return wrong(key, "is neither true nor false"), std::nullopt;
  return value->get_bool();
}

std::optional<std::int64_t> Fields::number(std::string_view key, std::int64_t least,
                                           std::int64_t most) {
  auto const* const value = member(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() || value->get_int64() < least || value->get_int64() > most)
    return wrong(key, fmt::format("is not a whole number from {} to {}", least, most)),
           std::nullopt;
  return value->get_int64();
}

std::optional<double> Fields::real(std::string_view key, double least, double most) {
  auto const* const value = member(key);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  auto const number = value->is_number() ? value->to_number<double>(error) : least - 1;
  if (error || !(number >= least && number <= most))
    return wrong(key, fmt::format("is not a number from {} to {}", least, most)), std::nullopt;
  return number;
}

std::optional<std::size_t> Fields::choice(std::string_view key,
                                          std::vector<std::string_view> const& choices) {
  auto const* const value = member(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) {
    auto const found = std::ranges::find(choices, view(value->get_string()));
    if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  }
  auto const guess = value->is_string() ? nearest(view(value->get_string()), choices) : "";
  return wrong(key, "is not " + listed(choices) + did_you_mean(guess)), std::nullopt;
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view key, std::size_t most_items,
                                                      std::size_t most_bytes) {
  auto const* const value = member(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) return wrong(key, "is not an array of strings"), std::nullopt;
  auto const& array = value->get_array();
  if (array.size() > most_items)
    return wrong(key, fmt::format("has {} items, more than {}", array.size(), most_items)),
           std::nullopt;
  std::vector<std::string> out;
  bool good = true;
  for (std::size_t i = 0; i < array.size(); ++i) {
    auto const complain = [&](std::string message) {
      troubles_.push_back({fmt::format("{}/{}", pointer_of(key), i), std::move(message)});
      good = false;
    };
    if (!array[i].is_string()) {
      complain("is not a string");
      continue;
    }
    auto const text = view(array[i].get_string());
    if (text.empty()) {
      complain("is empty");
    } else if (text.size() > most_bytes) {
      complain(fmt::format("is longer than {} bytes", most_bytes));
    } else if (has_control(text)) {
      complain("holds a control character");
    } else {
      out.emplace_back(text);
    }
  }
  if (!good) return std::nullopt;
  return out;
}

boost::json::object const* Fields::object(std::string_view key) {
  auto const* const value = member(key);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) return wrong(key, "is not an object"), nullptr;
  return &value->get_object();
}

void Fields::refuse_others() {
  std::size_t refused = 0;
  for (auto const& [name, value] : object_) {
    auto const key = view(name);
    if (std::ranges::find(asked_, key) != asked_.end()) continue;
    if (++refused > most_refused) return wrong("", "has more fields that are not known here");
    auto const guess = nearest(key, asked_);
    wrong(key, guess.empty() ? "is not a field that is known here"
                             : fmt::format("is not a field that is known here; did you mean {}?",
                                           quote(guess)));
  }
}

}  // namespace millrace::json
