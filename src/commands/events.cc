// `millrace events`: what Canvas sends, from the catalogue that is built in; and what a server saw that is not in it.
#include <fmt/format.h>

#include <memory>

#include "base/nearest.h"
#include "base/uuid.h"
#include "commands/client.h"
#include "commands/commands.h"
#include "commands/table.h"
#include "commands/usage.h"
#include "formats/caliper.h"
#include "json/write.h"
#include "model/catalog.h"

namespace millrace::commands {
namespace {

struct Listing {
  std::string format = "canvas";
  bool json = false;
};

std::string const& category_of(model::CatalogEvent const& event, bool caliper) {
  return caliper ? event.caliper_category : event.category;
}

Exit list(Listing const& args) {
  auto const catalog = model::Catalog::load();
  bool const caliper = args.format == "caliper";
  Table table({"EVENT", "CATEGORY", "WHAT HAPPENED"});
  json::Writer items;
  items.begin_object().key("items").begin_array();
  for (auto const& event : catalog.events()) {
    auto const& category = category_of(event, caliper);
    if (category.empty()) continue;
    table.row({event.name, category, event.title});
    items.begin_object()
        .key("name")
        .text(event.name)
        .key("category")
        .text(category)
        .key("title")
        .text(event.title);
    items.key("documented").flag(event.documented).key("caliper").flag(!event.caliper.empty());
    items.end_object();
  }
  items.end_array().end_object();
  if (args.json)
    fmt::print("{}\n", std::move(items).take());
  else
    table.print();
  return Exit::done;
}

struct Showing {
  std::string name;
  bool json = false;
};

void print_fields(model::CatalogEvent const& event) {
  if (event.fields.empty()) return;
  Table table({"FIELD", "TYPE", "MEANING"});
  for (auto const& field : event.fields)
    table.row({field.name, field.type + (field.nullable ? " or null" : ""), field.meaning});
  fmt::print("\n");
  table.print();
}

std::string caliper_example(model::Catalog const& catalog, model::CatalogEvent const& event) {
  if (event.caliper.empty()) return {};
  auto const renderer = formats::CaliperRenderer::make(catalog);
  if (!renderer) return {};
  model::EventBlock block;
  block.add("account", event.name, event.metadata, event.body);
  auto const accepted_at = parse_time("2026-10-12T10:00:00.250Z");
  return renderer->render(event.name, block[0], accepted_at.value_or(WallTime{}), EventId{})
      .value_or("");
}

Exit show(Showing const& args) {
  auto const catalog = model::Catalog::load();
  auto const* const event = catalog.find(args.name);
  if (event == nullptr) {
    Nearest near(args.name);
    for (auto const& known : catalog.events()) near.consider(known.name);
    complain(fmt::format("{}: is not in the catalogue{}; `millrace events list` shows what is",
                         args.name, did_you_mean(near.found())));
    return Exit::no;
  }
  auto const caliper = caliper_example(catalog, *event);
  if (args.json) {
    json::Writer out;
    out.begin_object().key("name").text(event->name).key("title").text(event->title);
    out.key("category").text(event->category).key("trigger").text(event->trigger);
    out.key("documented").flag(event->documented);
    out.key("fields").begin_array();
    for (auto const& field : event->fields) {
      out.begin_object().key("name").text(field.name).key("type").text(field.type);
      out.key("nullable").flag(field.nullable).key("meaning").text(field.meaning).end_object();
    }
    out.end_array().key("example").raw(event->example());
    if (!caliper.empty()) out.key("caliper_example").raw(caliper);
    fmt::print("{}\n", std::move(out.end_object()).take());
    return Exit::done;
  }
  fmt::print("{} ({}, category {})\n{}\n", event->name, event->title, event->category,
             event->trigger);
  if (!event->documented) fmt::print("Canvas sends it without documenting it.\n");
  print_fields(*event);
  fmt::print("\nCanvas format:\n{}\n", event->example());
  if (caliper.empty())
    fmt::print("\nIt has no Caliper form.\n");
  else
    fmt::print("\nCaliper IMS 1.1:\n{}\n", caliper);
  return Exit::done;
}

Exit drift(Reach const& reach) {
  auto server = ServerClient::open(reach);
  if (!server) return give_up(server.error());
  auto const seen = server->object("GET", "/api/v1/event_types/drift");
  if (!seen) return give_up(seen.error());
  if (reach.json) return print_json(*seen), Exit::done;
  Table table({"EVENT", "FIELD", "COUNT", "FIRST SEEN", "LAST SEEN", "EXAMPLE"});
  auto const* const items = seen->if_contains("items");
  if (items != nullptr && items->is_array())
    for (auto const& item : items->get_array()) {
      if (!item.is_object()) continue;
      auto const& entry = item.get_object();
      auto const field = shown(entry, "field");
      table.row({harmless(shown(entry, "event_type")),
                 field.empty() ? "(the event is unknown)" : harmless(field), shown(entry, "count"),
                 shown(entry, "first_seen_at"), shown(entry, "last_seen_at"),
                 shown_at(entry, {"example", "event_id"})});
    }
  if (table.empty())
    fmt::print("Nothing that the catalogue does not know, since the server started.\n");
  else
    table.print();
  if (auto const more = shown(*seen, "not_listed"); more != "0")
    fmt::print("The list is full; {} more were seen.\n", more);
  return Exit::done;
}

struct Finding {
  Reach reach;
  std::string id;
};

// "2 tries, the last delivered (200)".
std::string fate_of(boost::json::object const& stream) {
  auto const* const attempts = stream.if_contains("attempts");
  if (attempts == nullptr || !attempts->is_array() || attempts->get_array().empty())
    return shown(stream, "selects_now") == "yes" ? "not tried" : "not selected now";
  // They come newest first.
  auto const& last = attempts->get_array().front();
  auto text = counted(attempts->get_array().size(), "try");
  if (text.ends_with("trys")) text.replace(text.size() - 4, 4, "tries");
  if (auto const* object = last.if_object()) {
    auto const status = shown(*object, "status"), reason = shown(*object, "reason");
    text +=
        fmt::format(", the last {}{}{}", shown(*object, "outcome"),
                    status.empty() ? "" : " (" + status + ")", reason.empty() ? "" : ": " + reason);
  }
  return text;
}

Exit find(Finding const& args) {
  if (!Uuid::parse(args.id)) {
    bool const begins = args.id.find_first_not_of("0123456789abcdefABCDEF-") == args.id.npos;
    complain(
        fmt::format("{}: is {}; an event is found by its whole id, of 36 characters, which "
                    "`millrace attempts STREAM` and `millrace undelivered STREAM` show",
                    args.id, begins ? "only the beginning of an id" : "no id of an event"));
    return Exit::usage;
  }
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const found = server->object("GET", "/api/v1/events/" + percent(args.id));
  if (!found) return give_up(found.error());
  if (args.reach.json) return print_json(*found), Exit::done;
  fmt::print("{} of account {}, accepted at {}\n\n", shown(*found, "event_type"),
             shown(*found, "account"), shown(*found, "accepted_at"));
  Table table({"DATA STREAM", "NAME", "WHAT BECAME OF IT"});
  auto const* const streams = found->if_contains("data_streams");
  if (streams != nullptr && streams->is_array())
    for (auto const& stream : streams->get_array())
      if (auto const* one = stream.if_object())
        table.row({shown(*one, "id"), shown(*one, "name"), fate_of(*one)});
  if (table.empty())
    fmt::print("No data stream of its account selects it.\n");
  else
    table.print();
  if (shown(*found, "more_data_streams") == "yes") fmt::print("There are more data streams.\n");
  fmt::print("\n{}\n", shown(*found, "event"));
  return Exit::done;
}

}  // namespace

Command events_command() {
  return {.name = "events",
          .summary = "Say what each event is, find one, list what is not known",
          .group = Group::look,
          .examples =
              "  millrace events list --format caliper\n"
              "  millrace events show grade_change\n"
              "  millrace events find 0192f0c1-6a2e-7c1f-9d50-1f6a0c9be001\n"
              "  millrace events drift --data DATA          events and fields that came in and are "
              "not in the catalogue",
          .add = [](Flags app) -> std::function<Exit()> {
            app.require_subcommand(1);
            auto const listing = std::make_shared<Listing>();
            auto const showing = std::make_shared<Showing>();
            auto const list_app = app.add_subcommand("list", "List them by name");
            list_app
                .add_option("--format", listing->format,
                            "canvas (default), or caliper: those that have that form")
                .one_of({"canvas", "caliper"});
            list_app.add_flag("--json", listing->json, "Print JSON");
            auto const show_app = app.add_subcommand("show", "Show one, in both formats");
            show_app.add_option("NAME", showing->name, "Name of the event").required();
            show_app.add_flag("--json", showing->json, "Print JSON");
            auto const reach = std::make_shared<Reach>();
            auto const drift_app =
                app.add_subcommand("drift", "List what a server saw that the catalogue lacks");
            add_reach(drift_app, *reach);
            auto const finding = std::make_shared<Finding>();
            auto const find_app = app.add_subcommand(
                "find", "Show one that a server has: itself, and its fate at each data stream");
            find_app.add_option("ID", finding->id, "Id of the event").required();
            add_reach(find_app, finding->reach);
            return [listing, showing, reach, finding, list_app, drift_app, find_app] {
              if (drift_app.parsed()) return drift(*reach);
              if (find_app.parsed()) return find(*finding);
              return list_app.parsed() ? list(*listing) : show(*showing);
            };
          }};
}

}  // namespace millrace::commands
