// `millrace undelivered STREAM`: the events that a data stream could not deliver, and why.
#include <fmt/format.h>

#include <memory>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/naming.h"
#include "commands/table.h"

namespace millrace::commands {
namespace {

struct Undelivered {
  Reach reach;
  std::string stream;
  std::size_t limit = 50;
  bool events = false;
};

Exit run(Undelivered const& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const id = find_id(*server, streams_kind, args.stream);
  if (!id) return give_up(id.error());
  // The server gives whole events in smaller pages.
  auto const items =
      args.events ? server->items(fmt::format("{}/{}/undelivered?include=event", streams_kind.path,
                                              percent(*id)),
                                  args.limit, 10)
                  : server->items(fmt::format("{}/{}/undelivered", streams_kind.path, percent(*id)),
                                  args.limit);
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
  if (items->empty()) return fmt::print("No undelivered events.\n"), Exit::done;
  if (args.events) {
    for (auto const& item : *items)
      if (auto const* event = item.if_object()) fmt::print("{}\n", harmless(json_text(*event)));
    return Exit::done;
  }
  Table table({"EVENT", "TYPE", "ACCEPTED", "FAILED", "CLASS", "STATUS", "REASON"});
  for (auto const& item : *items)
    if (auto const* event = item.if_object())
      table.row({shown(*event, "event_id"), shown(*event, "event_type"),
                 shown(*event, "accepted_at"), shown(*event, "failed_at"), shown(*event, "class"),
                 shown(*event, "status"), shown(*event, "reason")});
  table.print();
  return Exit::done;
}

}  // namespace

Command undelivered_command() {
  return {.name = "undelivered",
          .summary = "Show the events that a data stream could not deliver, newest first",
          .group = Group::look,
          .examples =
              "  millrace undelivered \"My first\"\n"
              "  millrace undelivered STREAM --events > undelivered.ndjson",
          .add = [](Flags app) -> std::function<Exit()> {
            auto const args = std::make_shared<Undelivered>();
            app.add_option("STREAM", args->stream,
                           "Id of the data stream, its beginning, or its name")
                .required();
            app.add_option("--limit", args->limit, "How many at most (50)")
                .between(1, 100'000)
                .type_name("N");
            app.add_flag("--events", args->events, "With each event itself, as JSON, one a line");
            add_reach(app, args->reach);
            return [args] { return run(*args); };
          }};
}

}  // namespace millrace::commands
