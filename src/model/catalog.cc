#include "model/catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "json/reader.h"
#include "json/strict.h"

namespace millrace::model {
namespace {

using boost::json::object;
using boost::json::value;

class Reader {
 public:
  explicit Reader(object const& from) : from_(from) {}
  std::string text(std::string_view key) {
    auto const found = json::text_at(from_, key);
    if (!found) missing_ += fmt::format("{}{}", missing_.empty() ? "" : ", ", key);
    return std::string(found.value_or(""));
  }
  std::string optional_text(std::string_view key) const {
    return std::string(json::text_at(from_, key).value_or(""));
  }
  bool flag(std::string_view key) const {
    auto const* const found = from_.if_contains(key);
    return found != nullptr && found->is_bool() && found->get_bool();
  }
  std::string const& missing() const { return missing_; }

 private:
  object const& from_;
  std::string missing_;
};

// The member as it is written: numbers keep their spelling.
std::string raw_member(std::string_view object_text, std::string_view key) {
  json::Parser parser;
  auto const members = parser.members(object_text);
  if (!members) return {};
  auto const at = std::ranges::find(*members, key, &json::Member::key);
  return at == members->end() ? std::string() : std::string(at->value);
}

Result<CatalogEvent> event_of(std::string_view text) {
  auto const parsed = json::parse(text);
  if (!parsed) return pass(parsed);
  if (!parsed->is_object()) return fail(Fault::invalid, "catalogue: an entry is not an object");
  Reader top(parsed->get_object());
  CatalogEvent event;
  event.name = top.text("name");
  event.title = top.text("title");
  event.category = top.text("category");
  event.trigger = top.text("trigger");
  event.caliper_category = top.optional_text("caliper_category");
  event.documented = top.flag("documented");
  event.system_born = top.text("born") == "system";
  event.caliper = raw_member(text, "caliper");
  auto const wrong = [&](std::string_view what) {
    return fail(Fault::invalid, fmt::format("catalogue: {}: {}", event.name, what));
  };
  if (!top.missing().empty()) return wrong("lacks " + top.missing());

  auto const example = raw_member(text, "example");
  event.metadata = raw_member(example, "metadata");
  event.body = raw_member(example, "body");
  if (event.metadata.empty() || event.body.empty()) return wrong("has no example");

  auto const* const fields = parsed->get_object().if_contains("fields");
  if (fields == nullptr || !fields->is_array()) return wrong("has no fields");
  for (auto const& each : fields->get_array()) {
    if (!each.is_object()) return wrong("a field is not an object");
    Reader one(each.get_object());
    event.fields.push_back({one.text("name"), one.text("type"), one.text("meaning"),
                            one.flag("nullable"), one.flag("undescribed")});
    if (!one.missing().empty()) return wrong("a field lacks " + one.missing());
  }
  return event;
}

}  // namespace

std::string CatalogEvent::example() const {
  return fmt::format(R"({{"metadata":{},"body":{}}})", metadata, body);
}

Catalog Catalog::load() {
  auto catalog = parse(catalog_texts());
  check(catalog.has_value(), catalog ? "" : catalog.error().what);
  return std::move(*catalog);
}

Result<Catalog> Catalog::parse(std::vector<std::string_view> const& texts) {
  Catalog catalog;
  for (auto const text : texts) {
    auto event = event_of(text);
    if (!event) return pass(event);
    catalog.events_.push_back(std::move(*event));
  }
  std::ranges::sort(catalog.events_, {}, &CatalogEvent::name);
  auto const twice = std::ranges::adjacent_find(catalog.events_, {}, &CatalogEvent::name);
  if (twice != catalog.events_.end())
    return fail(Fault::invalid, fmt::format("catalogue: {} stands twice", twice->name));
  return catalog;
}

CatalogEvent const* Catalog::find(std::string_view name) const {
  auto const at = std::ranges::lower_bound(events_, name, {}, &CatalogEvent::name);
  return at != events_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace millrace::model
