// `millrace tokens …`: who may use the API.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <memory>

#include "commands/commands.h"
#include "commands/confirm.h"
#include "commands/credentials.h"
#include "commands/usage.h"

namespace millrace::commands {
namespace {

constexpr std::string_view path = "/api/v1/tokens";

Exit list(Credentials& args) {
  return list_credentials(
      args, path,
      {"id", "name", "role", "accounts", "created_at", "expires_at", "last_used_at", "revoked"},
      {"ID", "NAME", "ROLE", "ACCOUNTS", "CREATED", "EXPIRES", "LAST USED", "REVOKED"},
      "No tokens.");
}

Exit add(Credentials& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  boost::json::object body{{"role", args.role}, {"accounts", accounts_of(args)}};
  body["name"] = args.name.empty() ? args.role : args.name;
  if (!args.expires.empty()) body["expires_at"] = args.expires;
  auto const made = server->object("POST", std::string(path), boost::json::serialize(body));
  if (!made) return give_up(made.error());
  if (args.reach.json)
    print_json(*made);
  else
    print_token(shown(*made, "token"), shown(*made, "id"));
  remark_warnings(*made);
  return Exit::done;
}

Exit revoke(Credentials& args) {
  return revoke_credential(args, {"token", path}, "Whoever uses it is refused at once.");
}

}  // namespace

void print_token(std::string_view secret, std::string_view id) {
  fmt::print("Token:  {}\nId:     {}\nThe token is shown only now: keep it safe.\n", secret, id);
}

Command tokens_command(AddOffline add_offline) {
  return {
      .name = "tokens",
      .summary = "List, add and revoke tokens of the API",
      .group = Group::manage,
      .examples =
          "  millrace tokens add --role producer --account UUID\n"
          "  millrace tokens list\n"
          "  millrace tokens revoke ID\n"
          "  millrace tokens add --role owner --offline --data DIR     while the service is "
          "stopped, when no owner's token is left",
      .add = [add_offline](Flags app) -> std::function<Exit()> {
        auto const args = std::make_shared<Credentials>();
        app.require_subcommand(1);
        auto const leaf = [&](std::string const& name, std::string const& summary,
                              Exit (*run)(Credentials&)) {
          auto const sub = app.add_subcommand(name, summary);
          add_reach(sub, args->reach);
          sub.callback(
              [state = args.get(), run] { state->chosen = [state, run] { return run(*state); }; });
          return sub;
        };
        leaf("list", "List them; never their secrets", list);
        auto const adding = leaf("add", "Add one; its secret is shown once", add);
        adding.callback([state = args.get(), add_offline] {
          state->chosen = [state, add_offline] {
            return state->offline ? add_offline(*state) : add(*state);
          };
        });
        adding
            .add_option("--role", args->role,
                        "owner: everything; editor: streams; viewer: reads; producer: sends events")
            .one_of({"owner", "editor", "viewer", "producer"})
            .required();
        adding
            .add_option(
                "--account", args->accounts,
                "Root account uuid that it is good for; repeat for more; default: every one")
            .type_name("UUID");
        adding.add_option("--name", args->name, "What people call it");
        adding
            .add_option("--expires", args->expires,
                        "When it ends, like 2027-03-31T00:00:00Z; default: never")
            .type_name("TIME");
        adding.add_flag("--offline", args->offline,
                        "Add it to the data folder (--data) of a service that is stopped: the "
                        "way in when no owner's token is left");
        auto const revoking = leaf("revoke", "End one at once", revoke);
        revoking.add_option("ID", args->id, "Id of the token, its beginning, or its name")
            .required();
        add_yes(revoking, args->yes);
        return [args] { return args->chosen(); };
      }};
}

}  // namespace millrace::commands
