// `millrace audit`: who changed what, and when.
#include <fmt/format.h>

#include <memory>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/table.h"

namespace millrace::commands {
namespace {

struct Audit {
  Reach reach;
  std::size_t limit = 50;
};

// "/rate_limit: null -> 5, /delivery/url": what is not told has no values.
std::string changes_of(boost::json::object const& line) {
  std::string text;
  auto const* const changes = line.if_contains("changes");
  if (changes == nullptr || !changes->is_array()) return text;
  for (auto const& change : changes->get_array()) {
    auto const* const one = change.if_object();
    if (one == nullptr) continue;
    if (!text.empty()) text += ", ";
    text += shown(*one, "field");
    if (one->contains("from") && one->contains("to"))
      text +=
          harmless(fmt::format(": {} -> {}", json_text(one->at("from")), json_text(one->at("to"))));
  }
  return text;
}

Exit run(Audit const& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const items = server->items("/api/v1/audit", args.limit);
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
  Table table({"AT", "BY", "ACTION", "OBJECT", "NAME", "CHANGES"});
  for (auto const& item : *items) {
    auto const* const line = item.if_object();
    if (line == nullptr) continue;
    auto by = shown_at(*line, {"by", "name"});
    if (by.empty()) by = shown_at(*line, {"by", "id"});
    table.row({shown(*line, "at"), by, shown(*line, "action"), shown(*line, "object"),
               shown(*line, "name"), changes_of(*line)});
  }
  if (table.empty())
    fmt::print("Nothing was changed yet.\n");
  else
    table.print();
  return Exit::done;
}

}  // namespace

Command audit_command() {
  return {.name = "audit",
          .summary = "Show who changed what, newest first",
          .group = Group::look,
          .examples = "  millrace audit --limit 20",
          .add = [](Flags app) -> std::function<Exit()> {
            auto const args = std::make_shared<Audit>();
            app.add_option("--limit", args->limit, "How many at most (50)")
                .between(1, 100'000)
                .type_name("N");
            add_reach(app, args->reach);
            return [args] { return run(*args); };
          }};
}

}  // namespace millrace::commands
