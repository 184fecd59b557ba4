#include "api/json_text.h"

#include <fmt/format.h>

namespace millrace::api {

std::string list_json(std::vector<std::string> const& items) {
  json::Writer writer;
  writer.begin_array();
  for (auto const& item : items) writer.raw(item);
  writer.end_array();
  return std::move(writer).take();
}

std::string texts_json(std::vector<std::string> const& texts) {
  json::Writer writer;
  writer.begin_array();
  for (auto const& text : texts) writer.text(text);
  writer.end_array();
  return std::move(writer).take();
}

ObjectText& ObjectText::decimal(std::string_view key, double value) {
  return raw(key, fmt::format("{:.3f}", value));
}

}  // namespace millrace::api
