// `millrace keys …`: the keys that signed deliveries carry.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"

namespace millrace::cli {
namespace {

struct Keys {
  Reach reach;
  std::string emergency;
  bool yes = false;
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

Exit rotate(Keys& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  std::string body;
  boost::json::object wanted;
  if (!args.emergency.empty()) wanted["emergency"] = args.emergency;
  if (args.yes) wanted["confirm"] = true;
  if (!wanted.empty()) body = boost::json::serialize(wanted);
  auto const answer = server->object("POST", "/api/v1/signing_keys/rotate", body);
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
          .add = [](CLI::App& app) -> std::function<Exit()> {
            auto const args = std::make_shared<Keys>();
            app.require_subcommand(1);
            auto const leaf = [&](std::string const& name, std::string const& summary,
                                  Exit (*run)(Keys&)) {
              auto* const sub = app.add_subcommand(name, summary);
              add_reach(*sub, args->reach);
              sub->callback([state = args.get(), run] {
                state->chosen = [state, run] { return run(*state); };
              });
              return sub;
            };
            leaf("list", "List them: previous, current, next, and older", list);
            auto* const rotating = leaf("rotate", "Let the next key sign from now on", rotate);
            rotating
                ->add_option("--emergency", args->emergency,
                             "Withdraw this key at once: it is published no more")
                ->type_name("KID");
            rotating->add_flag("--yes", args->yes,
                               "Also within an hour of the last rotation, when receivers may not "
                               "know the next key yet");
            return [args] { return args->chosen(); };
          }};
}

}  // namespace millrace::cli
