// The catalogue of events, with how many of each were seen; and what was seen that it does not know.
#include <fmt/format.h>

#include "api/handlers.h"
#include "api/json_text.h"
#include "api/list.h"
#include "api/streams.h"

namespace millrace::api {
namespace {

std::string type_json(model::CatalogEvent const* event, std::string const& name,
                      std::uint64_t seen) {
  ObjectText text;
  text.text("name", name).text_or_null("title", event != nullptr ? event->title : "");
  text.text_or_null("category", event != nullptr ? event->category : "");
  text.text_or_null("caliper_category", event != nullptr ? event->caliper_category : "");
  text.truth("documented", event != nullptr && event->documented);
  text.truth("known", event != nullptr).number("seen", seen);
  return std::move(text).done();
}

std::string field_json(model::CatalogField const& field) {
  ObjectText text;
  text.text("name", field.name).text("type", field.type).truth("nullable", field.nullable);
  text.truth("described", !field.undescribed).text("meaning", field.meaning);
  return std::move(text).done();
}

// The catalogue's example as a receiver of that format gets it.
std::string caliper_example(Context const& context, model::CatalogEvent const& event) {
  model::EventBlock block;
  block.add("account", event.name, event.metadata, event.body);
  auto const at = from_unix_ms(1'792'058'400'250);
  auto rendered = context.parts.caliper.render(event.name, block[0], at,
                                               EventId{Uuid::v7(at, 0x1234'5678, 0x9ABC'DEF0)});
  return rendered ? std::move(*rendered) : "null";
}

std::string drift_json(model::DriftEntry const& entry) {
  ObjectText example;
  example.text("event_id", entry.example.text()).text("account", entry.account);
  ObjectText text;
  text.text("event_type", entry.event_type).text_or_null("field", entry.field);
  text.number("count", entry.count);
  text.time("first_seen_at", entry.first_seen).time("last_seen_at", entry.last_seen);
  text.raw("example", std::move(example).done());
  return std::move(text).done();
}

}  // namespace

FieldFaults form_faults(Context const& context, model::DataStream const& stream) {
  FieldFaults faults;
  if (stream.format != model::Format::caliper) return faults;
  for (auto const& type : stream.event_types) {
    if (type == "*" || context.parts.caliper.has_form(type)) continue;
    bool const known = context.parts.catalog.find(type) != nullptr;
    faults.push_back(
        {"/event_types",
         fmt::format("{} has no Caliper form: {}", type,
                     known ? "Canvas defines none for it; choose the format canvas for it"
                           : "it is not an event of the catalogue")});
  }
  return faults;
}

Answer list_event_types(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  bool const caliper = word_of(call.query, "format", {"canvas", "caliper"}, faults) == "caliper";
  if (!faults.empty()) co_return bad_input(faults);
  auto const taken = co_await take_census(context);
  if (!taken) co_return failed(context, "count the events of the log", taken.error());
  auto const& census = *taken;
  std::map<std::string, std::uint64_t> seen;
  for (auto const& event : context.parts.catalog.events()) seen.try_emplace(event.name);
  for (auto const& [kind, events] : census->kinds)
    if (call.principal.sees(kind.account)) seen[kind.type] += events;
  if (caliper)
    std::erase_if(seen,
                  [&](auto const& item) { return !context.parts.caliper.has_form(item.first); });
  std::uint64_t unnamed = call.principal.sees_all() ? census->uncounted : 0;
  for (auto const& [account, events] : census->unnamed)
    if (call.principal.sees(account)) unnamed += events;
  using Item = std::pair<std::string, std::uint64_t>;
  auto const show = [&catalog = context.parts.catalog](Item const& item) {
    return type_json(catalog.find(item.first), item.first, item.second);
  };
  co_return co_await list_answer(
      context, call, ask,
      item_rows<Item>(
          {seen.begin(), seen.end()}, [](Item const& item) { return item.first; }, show),
      fmt::format(R"("dropped":{},)", unnamed));
}

Answer show_event_type(Context& context, Call const& call) {
  auto const* const event = context.parts.catalog.find(call.ids.front());
  if (event == nullptr) co_return problem(404, "the catalogue has no such event");
  auto const taken = co_await take_census(context);
  if (!taken) co_return failed(context, "count the events of the log", taken.error());
  auto const& census = *taken;
  std::uint64_t seen = 0;
  for (auto const& [kind, events] : census->kinds)
    if (kind.type == event->name && call.principal.sees(kind.account)) seen += events;
  std::vector<std::string> fields;
  for (auto const& field : event->fields) fields.push_back(field_json(field));
  ObjectText example;
  example.raw("canvas", event->example());
  example.raw("caliper", event->caliper.empty() ? "null" : caliper_example(context, *event));
  ObjectText text;
  text.text("name", event->name).text("title", event->title).text("category", event->category);
  text.text_or_null("caliper_category", event->caliper_category);
  text.truth("documented", event->documented).text("trigger", event->trigger);
  text.text("born", event->system_born ? "system" : "user").number("seen", seen);
  text.raw("fields", list_json(fields)).raw("example", std::move(example).done());
  co_return json_answer(200, std::move(text).done());
}

Answer list_drift(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto const drift = context.parts.drift();
  auto const extra = fmt::format(R"("not_listed":{},"events_looked_at":{},)", drift.uncounted(),
                                 drift.looked_at());
  // A field's name has no line end: the cursor is one word for the two.
  auto const key = [](model::DriftEntry const& entry) {
    return entry.event_type + "\n" + entry.field;
  };
  co_return co_await list_answer(
      context, call, ask, item_rows<model::DriftEntry>(drift.entries(), key, drift_json), extra);
}

}  // namespace millrace::api
