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

// An object by keys and values: a notation for json::Writer.
class ObjectText {
 public:
  ObjectText() { writer_.begin_object(); }
  ObjectText& raw(std::string_view key, std::string_view json) {
    return writer_.key(key).raw(json), *this;
  }
  ObjectText& text(std::string_view key, std::string_view value) {
    return writer_.key(key).text(value), *this;
  }
  ObjectText& text_or_null(std::string_view key, std::string_view value) {  // "" is null
    return writer_.key(key).text_or_null(value), *this;
  }
  ObjectText& texts(std::string_view key, std::vector<std::string> const& values) {
    return raw(key, texts_json(values));
  }
  ObjectText& truth(std::string_view key, bool value) {
    return writer_.key(key).flag(value), *this;
  }
  ObjectText& null(std::string_view key) { return writer_.key(key).null(), *this; }
  template <std::integral Number>
  ObjectText& number(std::string_view key, Number value) {
    return raw(key, std::to_string(value));
  }
  ObjectText& decimal(std::string_view key, double value);  // three places
  ObjectText& time(std::string_view key, std::optional<WallTime> value) {
    return value ? text(key, iso_ms(*value)) : null(key);
  }
  std::string done() && {
    writer_.end_object();
    return std::move(writer_).take();
  }

 private:
  json::Writer writer_;
};

}  // namespace millrace::api
