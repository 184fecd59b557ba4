// JSON that we answer, put together as text: it is flat, and parts of it are JSON text already (events, data streams).
#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "json/write.h"

namespace millrace::api {

inline std::string quoted(std::string_view text) { return json::quote(text); }
std::string texts_json(std::vector<std::string> const& texts);
// `[a,b]` of JSON texts.
std::string list_json(std::vector<std::string> const& items);

class ObjectText {
 public:
  ObjectText& raw(std::string_view key, std::string_view json);
  ObjectText& text(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
  ObjectText& text_or_null(std::string_view key, std::string_view value) {  // "" is null
    return value.empty() ? null(key) : text(key, value);
  }
  ObjectText& texts(std::string_view key, std::vector<std::string> const& values) {
    return raw(key, texts_json(values));
  }
  ObjectText& truth(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  ObjectText& null(std::string_view key) { return raw(key, "null"); }
  template <std::integral Number>
  ObjectText& number(std::string_view key, Number value) {
    return raw(key, std::to_string(value));
  }
  ObjectText& decimal(std::string_view key, double value);  // three places
  ObjectText& time(std::string_view key, std::optional<WallTime> value) {
    return value ? text(key, iso_ms(*value)) : null(key);
  }
  std::string done() &&;

 private:
  std::string out_ = "{";
};

}  // namespace millrace::api
