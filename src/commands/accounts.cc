// `millrace accounts`: the root accounts that a server knows, by streams, credentials or events.
#include <fmt/format.h>

#include <memory>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/table.h"

namespace millrace::commands {
namespace {

Exit run(Reach const& reach) {
  auto server = ServerClient::open(reach);
  if (!server) return give_up(server.error());
  auto const items = server->items("/api/v1/accounts");
  if (!items) return give_up(items.error());
  if (reach.json) return print_json_list(*items), Exit::done;
  Table table({"ACCOUNT", "DATA STREAMS", "EVENTS SEEN"});
  for (auto const& item : *items)
    if (auto const* account = item.if_object())
      table.row({shown(*account, "account"), shown(*account, "data_streams"),
                 shown(*account, "events_seen")});
  if (table.empty())
    fmt::print(
        "No accounts yet: no data stream, token, access key or event names one. Where the uuid of "
        "a root account is found: docs/manual.md.\n");
  else
    table.print();
  return Exit::done;
}

}  // namespace

Command accounts_command() {
  return {.name = "accounts",
          .summary = "List the root accounts of streams, credentials and events",
          .group = Group::look,
          .examples = "  millrace accounts --data ./data",
          .add = [](Flags app) -> std::function<Exit()> {
            auto const reach = std::make_shared<Reach>();
            add_reach(app, *reach);
            return [reach] { return run(*reach); };
          }};
}

}  // namespace millrace::commands
