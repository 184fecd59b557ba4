#include "model/access.h"

#include <algorithm>
#include <cstdlib>

namespace millrace::model {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::owner:
      return "owner";
    case Role::editor:
      return "editor";
    case Role::viewer:
      return "viewer";
    case Role::producer:
      return "producer";
  }
  std::abort();
}

std::optional<Role> parse_role(std::string_view name) {
  for (auto const role : {Role::owner, Role::editor, Role::viewer, Role::producer})
    if (name_of(role) == name) return role;
  return std::nullopt;
}

bool Principal::sees(std::string_view account) const {
  return std::ranges::any_of(
      accounts, [account](std::string const& mine) { return mine == "*" || mine == account; });
}

}  // namespace millrace::model
