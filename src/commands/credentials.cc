#include "commands/credentials.h"

#include <fmt/format.h>

#include "commands/confirm.h"
#include "commands/table.h"

namespace millrace::commands {

boost::json::array accounts_of(Credentials const& args) {
  boost::json::array accounts;
  for (auto const& account : args.accounts) accounts.emplace_back(account);
  if (accounts.empty()) accounts.emplace_back("*");
  return accounts;
}

Exit list_credentials(Credentials& args, std::string_view path,
                      std::vector<std::string> const& fields, std::vector<std::string> headings,
                      std::string_view none) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const items = server->items(std::string(path));
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
  Table table(std::move(headings));
  for (auto const& item : *items) {
    if (!item.is_object()) continue;
    std::vector<std::string> cells;
    for (auto const& field : fields) cells.push_back(shown(item.get_object(), field));
    table.row(std::move(cells));
  }
  if (table.empty())
    fmt::print("{}\n", none);
  else
    table.print();
  return Exit::done;
}

namespace {

// "token "Canvas" (ID), producer, for every account"
std::string title_of(boost::json::object const& credential, NamedKind const& kind) {
  auto text = std::string(kind.kind);
  if (auto const name = shown(credential, "name"); !name.empty())
    text += fmt::format(" \"{}\"", name);
  text += fmt::format(" ({})", shown(credential, kind.id_member));
  if (auto const role = shown(credential, "role"); !role.empty()) text += ", " + role;
  auto const accounts = shown(credential, "accounts");
  text += accounts == "*" ? ", for every account" : ", for " + accounts;
  if (auto const used = shown(credential, "last_used_at"); !used.empty())
    text += ", used last at " + used;
  return text;
}

}  // namespace

Exit revoke_credential(Credentials& args, NamedKind const& kind, std::string_view loss) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const items = server->items(std::string(kind.path));
  if (!items) return give_up(items.error());
  auto const id = id_meant(named_in(*items, kind.id_member, kind.name_member), args.id, kind.kind);
  if (!id) return give_up(id.error());
  auto title = fmt::format("{} {}", kind.kind, *id);
  for (auto const& item : *items)
    if (auto const* one = item.if_object(); one != nullptr && shown(*one, kind.id_member) == *id)
      title = title_of(*one, kind);
  if (auto const stopped =
          unless_sure(fmt::format("This revokes the {}. {}", title, loss), args.yes))
    return *stopped;
  auto const gone = server->object("DELETE", fmt::format("{}/{}", kind.path, percent(*id)));
  if (!gone) return give_up(gone.error());
  if (args.reach.json)
    print_json(boost::json::object{{"id", *id}, {"revoked", true}});
  else
    fmt::print("Revoked the {}\n", title);
  return Exit::done;
}

}  // namespace millrace::commands
