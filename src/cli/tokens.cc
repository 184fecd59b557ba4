// `millrace tokens …`: who may use the API.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/credentials.h"
#include "cli/process.h"
#include "cli/usage.h"
#include "io/files.h"
#include "io/random.h"
#include "server/offline.h"

namespace millrace::cli {
namespace {

constexpr std::string_view path = "/api/v1/tokens";

Exit list(Credentials& args) {
  return list_credentials(
      args, path,
      {"id", "name", "role", "accounts", "created_at", "expires_at", "last_used_at", "revoked"},
      {"ID", "NAME", "ROLE", "ACCOUNTS", "CREATED", "EXPIRES", "LAST USED", "REVOKED"},
      "No tokens.");
}

void print_token(std::string_view secret, std::string_view id) {
  fmt::print("Token:  {}\nId:     {}\nThe token is shown only now: keep it safe.\n", secret, id);
}

// The way in for whoever has the data folder, and no token left.
Exit add_offline(Credentials const& args) {
  if (args.reach.data.empty())
    return failed({Fault::invalid, "--offline: needs --data DIR, the data folder"});
  server::OfflineToken token{.folder = args.reach.data,
                             .name = args.name.empty() ? args.role : args.name,
                             .role = *model::parse_role(args.role)};
  if (!args.accounts.empty()) token.accounts = args.accounts;
  if (!args.expires.empty()) {
    auto const end = parse_time(args.expires);
    if (!end)
      return failed({Fault::invalid, "--expires: must be a time like 2027-03-31T00:00:00Z"});
    token.expires_at = *end;
  }
  auto const log = stderr_log(LogLevel::warning);
  io::SystemClock clock;
  io::DiskFiles files;
  io::SystemRandom random;
  auto const made = server::add_token_offline(
      std::move(token), {.files = files, .clock = clock, .random = random, .log = *log});
  if (!made) return failed(made.error());
  if (args.reach.json)
    print_json(boost::json::object{{"id", made->record.id}, {"token", made->secret}});
  else
    print_token(made->secret, made->record.id);
  if (args.accounts.empty()) remark("it is good for every account; --account names some");
  return Exit::done;
}

Exit add(Credentials& args) {
  if (args.offline) return add_offline(args);
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

Command tokens_command() {
  return {.name = "tokens",
          .summary = "List, add and revoke tokens of the API",
          .group = Group::manage,
          .examples =
              "  millrace tokens add --role producer --account UUID\n"
              "  millrace tokens list\n"
              "  millrace tokens revoke ID\n"
              "  millrace tokens add --role owner --offline --data DIR     while the service is "
              "stopped, when no owner's token is left",
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
            adding
                ->add_option("--expires", args->expires,
                             "When it ends, like 2027-03-31T00:00:00Z; default: never")
                ->type_name("TIME");
            adding->add_flag("--offline", args->offline,
                             "Add it to the data folder (--data) of a service that is stopped: the "
                             "way in when no owner's token is left");
            auto* const revoking = leaf("revoke", "End one at once", revoke);
            revoking->add_option("ID", args->id, "Id of the token, its beginning, or its name")
                ->required();
            add_yes(*revoking, args->yes);
            return [args] { return args->chosen(); };
          }};
}

}  // namespace millrace::cli
