// `millrace access-keys …`: the AWS-style key pairs that Kinesis producers, such as Canvas, sign with.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <memory>

#include "commands/commands.h"
#include "commands/confirm.h"
#include "commands/credentials.h"

namespace millrace::commands {
namespace {

constexpr std::string_view path = "/api/v1/access_keys";

Exit list(Credentials& args) {
  return list_credentials(args, path, {"access_key_id", "accounts", "created_at", "revoked"},
                          {"ACCESS KEY ID", "ACCOUNTS", "CREATED", "REVOKED"},
                          "No access keys yet. Add one for Canvas: millrace access-keys add");
}

Exit add(Credentials& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const made =
      server->object("POST", std::string(path),
                     boost::json::serialize(boost::json::object{{"accounts", accounts_of(args)}}));
  if (!made) return give_up(made.error());
  if (args.reach.json) {
    print_json(*made);
    remark_warnings(*made);
    return Exit::done;
  }
  fmt::print(
      "Access key id:      {}\nSecret access key:  {}\nThe secret is shown only now: keep it "
      "safe.\n",
      shown(*made, "access_key_id"), shown(*made, "secret_access_key"));
  remark_warnings(*made);
  return Exit::done;
}

Exit revoke(Credentials& args) {
  return revoke_credential(args, {"access key", path, "access_key_id", ""},
                           "What producers sign with it is refused at once; Canvas drops such "
                           "events within seconds.");
}

}  // namespace

Command access_keys_command() {
  return {.name = "access-keys",
          .summary = "List, add and revoke the keys that Kinesis producers sign with",
          .group = Group::manage,
          .examples =
              "  millrace access-keys add --account UUID\n"
              "  millrace access-keys add --json\n"
              "  millrace access-keys revoke ID",
          .add = [](Flags app) -> std::function<Exit()> {
            auto const args = std::make_shared<Credentials>();
            app.require_subcommand(1);
            auto const leaf = [&](std::string const& name, std::string const& summary,
                                  Exit (*run)(Credentials&)) {
              auto const sub = app.add_subcommand(name, summary);
              add_reach(sub, args->reach);
              sub.callback([state = args.get(), run] {
                state->chosen = [state, run] { return run(*state); };
              });
              return sub;
            };
            leaf("list", "List them; never their secrets", list);
            leaf("add", "Add one; its secret is shown once", add)
                .add_option(
                    "--account", args->accounts,
                    "Root account uuid that it may send for; repeat for more; default: every one")
                .type_name("UUID");
            auto const revoking = leaf("revoke", "End one at once", revoke);
            revoking.add_option("ID", args->id, "Access key id, or its beginning").required();
            add_yes(revoking, args->yes);
            return [args] { return args->chosen(); };
          }};
}

}  // namespace millrace::commands
