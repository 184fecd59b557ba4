#include "cli/credentials.h"

#include <fmt/format.h>

#include "cli/table.h"

namespace millrace::cli {

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

Exit revoke_credential(Credentials& args, std::string_view path, std::string_view kind) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const gone = server->object("DELETE", fmt::format("{}/{}", path, percent(args.id)));
  if (!gone) return give_up(gone.error());
  if (args.reach.json)
    print_json(boost::json::object{{"id", args.id}, {"revoked", true}});
  else
    fmt::print("Revoked {} {}\n", kind, args.id);
  return Exit::done;
}

}  // namespace millrace::cli
