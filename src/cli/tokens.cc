// `millrace tokens …`: who may use the API.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/credentials.h"
#include "cli/usage.h"

namespace millrace::cli {
namespace {

constexpr std::string_view path = "/api/v1/tokens";

Exit list(Credentials& args) {
  return list_credentials(args, path, {"id", "name", "role", "accounts", "created_at", "revoked"},
                          {"ID", "NAME", "ROLE", "ACCOUNTS", "CREATED", "REVOKED"}, "No tokens.");
}

Exit add(Credentials& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  boost::json::object body{{"role", args.role}, {"accounts", accounts_of(args)}};
  body["name"] = args.name.empty() ? args.role : args.name;
  auto const made = server->object("POST", std::string(path), boost::json::serialize(body));
  if (!made) return give_up(made.error());
  if (args.reach.json) return print_json(*made), Exit::done;
  fmt::print("Token:  {}\nId:     {}\nThe token is shown only now: keep it safe.\n",
             shown(*made, "token"), shown(*made, "id"));
  return Exit::done;
}

Exit revoke(Credentials& args) { return revoke_credential(args, path, "token"); }

}  // namespace

Command tokens_command() {
  return {.name = "tokens",
          .summary = "List, add and revoke tokens of the API",
          .group = Group::manage,
          .examples =
              "  millrace tokens add --role producer --account UUID\n"
              "  millrace tokens list\n"
              "  millrace tokens revoke ID",
          .add = [](CLI::App& app) -> std::function<Exit()> {
            auto const args = std::make_shared<Credentials>();
            app.require_subcommand(1);
            auto const leaf = [&](std::string const& name, std::string const& summary,
                                  Exit (*run)(Credentials&)) {
              auto* const sub = app.add_subcommand(name, summary);
              add_reach(*sub, args->reach);
              sub->callback([state = args.get(), run] {
                state->chosen = [state, run] { return run(*state); };
              });
              return sub;
            };
            leaf("list", "List them; never their secrets", list);
            auto* const adding = leaf("add", "Add one; its secret is shown once", add);
            adding
                ->add_option(
                    "--role", args->role,
                    "owner: everything; editor: streams; viewer: reads; producer: sends events")
                ->check(one_of({"owner", "editor", "viewer", "producer"}))
                ->required();
            adding
                ->add_option(
                    "--account", args->accounts,
                    "Root account uuid that it is good for; repeat for more; default: every one")
                ->type_name("UUID");
            adding->add_option("--name", args->name, "What people call it");
            leaf("revoke", "End one at once", revoke)
                ->add_option("ID", args->id, "Id of the token")
                ->required();
            return [args] { return args->chosen(); };
          }};
}

}  // namespace millrace::cli
