// Within cli: what tokens and access keys have in common on the command line.
#pragma once
#include <string>
#include <vector>

#include "cli/client.h"

namespace millrace::cli {

struct Credentials {
  Reach reach;
  std::string id, name, role;
  std::vector<std::string> accounts;
  std::string expires;   // a time; empty: never
  bool offline = false;  // on the data folder of a service that is stopped
  std::function<Exit()> chosen;
};

// The accounts as the API takes them; none given: `otherwise`.
boost::json::array accounts_of(Credentials const& args);
Exit list_credentials(Credentials& args, std::string_view path,
                      std::vector<std::string> const& fields, std::vector<std::string> headings,
                      std::string_view none);
Exit revoke_credential(Credentials& args, std::string_view path, std::string_view kind);

}  // namespace millrace::cli
