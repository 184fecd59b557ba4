// What tokens and access keys have in common on the command line.
#pragma once
#include <string>
#include <vector>

#include "commands/client.h"
#include "commands/naming.h"

namespace millrace::commands {

struct Credentials {
  Reach reach;
  std::string id, name, role;
  std::vector<std::string> accounts;
  std::string expires;   // a time; empty: never
  bool offline = false;  // on the data folder of a service that is stopped
  bool yes = false;
  std::function<Exit()> chosen;
};

// The accounts as the API takes them; none given: every one.
boost::json::array accounts_of(Credentials const& args);
Exit list_credentials(Credentials& args, std::string_view path,
                      std::vector<std::string> const& fields, std::vector<std::string> headings,
                      std::string_view none);
// Asks first; `loss`: a sentence that says what the end of this one means.
Exit revoke_credential(Credentials& args, NamedKind const& kind, std::string_view loss);

// A new token, for people. tokens.cc.
void print_token(std::string_view secret, std::string_view id);

}  // namespace millrace::commands
