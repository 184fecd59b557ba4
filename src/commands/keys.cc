// `millrace keys …`: the keys that signed deliveries carry.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <memory>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/confirm.h"
#include "commands/naming.h"
#include "commands/table.h"

namespace millrace::commands {
namespace {

struct Keys {
  Reach reach;
  std::string emergency;
  bool emergency_given = false, yes = false;
  std::function<Exit()> chosen;
};

Exit list(Keys& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const items = server->items("/api/v1/signing_keys");
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
  Table table({"KID", "STATE", "CREATED", "ACTIVE FROM", "WITHDRAWN"});
  for (auto const& item : *items) {
    if (!item.is_object()) continue;
    auto const& key = item.get_object();
    table.row({shown(key, "kid"), shown(key, "state"), shown(key, "created_at"),
               shown(key, "active_from"),
               shown(key, key.contains("withdrawn_at") ? "withdrawn_at" : "withdrawn")});
  }
  table.print();
  return Exit::done;
}

constexpr NamedKind keys_kind{"signing key", "/api/v1/signing_keys", "kid", ""};

std::string cost_of_withdrawal(std::string const& kid) {
  return fmt::format(
      "This withdraws the key {} for good. What it has signed and is not verified yet, retries "
      "included, will be refused by receivers that have the new list of keys.",
      kid);
}

Result<boost::json::object> ask_rotation(ServerClient& server, Keys const& args, bool confirmed) {
  boost::json::object wanted;
  if (args.emergency_given) wanted["emergency"] = args.emergency;
  if (confirmed) wanted["confirm"] = true;
  return server.object("POST", "/api/v1/signing_keys/rotate",
                       wanted.empty() ? std::string() : boost::json::serialize(wanted));
}

Exit rotate(Keys& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  if (args.emergency_given) {
    auto kid = find_id(*server, keys_kind, args.emergency);
    if (!kid) return give_up(kid.error());
    args.emergency = std::move(*kid);
    if (auto const stopped = unless_sure(cost_of_withdrawal(args.emergency), args.yes))
      return *stopped;
  }
  auto answer = ask_rotation(*server, args, args.yes);
  // The server says what it would cost so soon after the last rotation.
  if (!answer && answer.error().fault == Fault::conflict && !args.yes) {
    if (auto const stopped = unless_sure(answer.error().what + ".", false)) return *stopped;
    answer = ask_rotation(*server, args, true);
  }
  if (!answer) return give_up(answer.error());
  if (args.reach.json) return print_json(*answer), Exit::done;
  if (args.emergency.empty())
    fmt::print("Rotated: the next key signs now. `millrace keys list` shows them.\n");
  else
    fmt::print("Withdrawn: {}. Receivers that hold the JWKS for an hour may take it until then.\n",
               harmless(args.emergency));
  return Exit::done;
}

}  // namespace

Command keys_command() {
  return {.name = "keys",
          .summary = "List and rotate the keys that sign deliveries",
          .group = Group::manage,
          .examples =
              "  millrace keys list\n"
              "  millrace keys rotate --emergency 2026-11-21T19:05:12Z-3fa9",
          .add = [](Flags app) -> std::function<Exit()> {
            auto const args = std::make_shared<Keys>();
            app.require_subcommand(1);
            auto const leaf = [&](std::string const& name, std::string const& summary,
                                  Exit (*run)(Keys&)) {
              auto const sub = app.add_subcommand(name, summary);
              add_reach(sub, args->reach);
              sub.callback([state = args.get(), run] {
                state->chosen = [state, run] { return run(*state); };
              });
              return sub;
            };
            leaf("list", "List them: previous, current, next, and older", list);
            auto const rotating = leaf("rotate", "Let the next key sign from now on", rotate);
            rotating
                .add_option_function(
                    "--emergency",
                    [args](std::string const& kid) {
                      args->emergency = kid;
                      args->emergency_given = true;
                    },
                    "Withdraw this key at once: it is published no more; a kid, or its beginning")
                .type_name("KID");
            add_yes(rotating, args->yes);
            return [args] { return args->chosen(); };
          }};
}

}  // namespace millrace::commands
