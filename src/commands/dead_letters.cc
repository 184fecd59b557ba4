// `millrace dead-letters …`: what was taken in but could not become an event.
#include <fmt/format.h>

#include <memory>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/naming.h"
#include "commands/table.h"

namespace millrace::commands {
namespace {

struct DeadLetters {
  Reach reach;
  std::string id;
  std::size_t limit = 100;
  std::function<Exit()> chosen;
};

Exit list(DeadLetters& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const items = server->items("/api/v1/dead_letters", args.limit);
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
  Table table({"ID", "AT", "SOURCE", "ACCOUNT", "REASON"});
  for (auto const& item : *items) {
    if (!item.is_object()) continue;
    auto const& letter = item.get_object();
    table.row({shown(letter, "id"), shown(letter, "at"), shown(letter, "source"),
               shown(letter, "account"), shown(letter, "reason")});
  }
  if (table.empty())
    fmt::print("No dead letters: all that was sent became events.\n");
  else
    table.print();
  return Exit::done;
}

constexpr NamedKind letters_kind{"dead letter", "/api/v1/dead_letters", "id", ""};

Exit show(DeadLetters& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const id = find_id(*server, letters_kind, args.id);
  if (!id) return give_up(id.error());
  auto const letter = server->object("GET", "/api/v1/dead_letters/" + percent(*id));
  if (!letter) return give_up(letter.error());
  if (args.reach.json)
    print_json(*letter);
  else
    print_fields(*letter);
  return Exit::done;
}

}  // namespace

Command dead_letters_command() {
  return {.name = "dead-letters",
          .summary = "Look at what could not become an event, and why",
          .group = Group::look,
          .examples =
              "  millrace dead-letters list\n"
              "  millrace dead-letters show 01a22317-e712",
          .add = [](Flags app) -> std::function<Exit()> {
            auto const args = std::make_shared<DeadLetters>();
            app.require_subcommand(1);
            auto const leaf = [&](std::string const& name, std::string const& summary,
                                  Exit (*run)(DeadLetters&)) {
              auto const sub = app.add_subcommand(name, summary);
              add_reach(sub, args->reach);
              sub.callback([state = args.get(), run] {
                state->chosen = [state, run] { return run(*state); };
              });
              return sub;
            };
            leaf("list", "List them, newest first", list)
                .add_option("--limit", args->limit, "How many at most (100)")
                .between(1, 100'000)
                .type_name("N");
            leaf("show", "Show one, with what was sent", show)
                .add_option("ID", args->id, "Id of the dead letter, or its beginning")
                .required();
            return [args] { return args->chosen(); };
          }};
}

}  // namespace millrace::commands
