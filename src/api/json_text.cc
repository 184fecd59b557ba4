#include "api/json_text.h"

#include <fmt/format.h>

namespace millrace::api {

std::string list_json(std::vector<std::string> const& items) {
  std::string out = "[";
  for (auto const& item : items) {
    if (out.size() > 1) out += ',';
    out += item;
  }
  out += ']';
  return out;
}

std::string texts_json(std::vector<std::string> const& texts) {
  std::vector<std::string> items;
  items.reserve(texts.size());
  for (auto const& text : texts) items.push_back(quoted(text));
  return list_json(items);
}

ObjectText& ObjectText::raw(std::string_view key, std::string_view json) {
  if (out_.size() > 1) out_ += ',';
  json::append_string(out_, key);
  out_ += ':';
  out_ += json;
  return *this;
}

ObjectText& ObjectText::decimal(std::string_view key, double value) {
  return raw(key, fmt::format("{:.3f}", value));
}

std::string ObjectText::done() && {
  out_ += '}';
  return std::move(out_);
}

}  // namespace millrace::api
