// Where the server is, who asks, and in which form the answer is printed: what all commands that talk to a server have in common.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "commands/command.h"
#include "http/tls_settings.h"

namespace millrace::commands {

inline constexpr std::string_view usual_server = "http://127.0.0.1:8080";

struct Reach {
  std::string server{};                // --server; empty: MILLRACE_SERVER, else usual_server
  std::optional<std::string> token{};  // --token
  std::string data{};                  // --data
  std::string ca{};   // --ca; empty: MILLRACE_CA, else the system's authorities alone
  Duration wait{};    // --wait
  bool json = false;  // --json
};

// Adds --server, --token, --data, --ca, --wait and --json. `reach` outlives `app`.
void add_reach(Flags app, Reach& reach);
void add_ca(Flags app, Reach& reach);  // --ca alone

// Whom a command trusts beside the system's authorities.
http::TlsSettings trust_of(Reach const& reach);

// The URL of the server. Fails with: invalid (MILLRACE_SERVER is set and empty).
Result<std::string> find_server(Reach const& reach);

// The token: --token, else MILLRACE_TOKEN, else DIR/admin.token, DIR being ./data only where no server is named. One that is given
// and empty is a fault: nobody means the owner's token by it. Fails with: invalid, denied (there is none, and where it was looked for).
Result<std::string> find_token(Reach const& reach);

// That of the folder of a server. Fails with: denied, invalid (it holds none).
Result<std::string> token_in(std::string const& folder);

// Whether a server is named, by a flag or by the environment.
bool names_server(Reach const& reach);

// What was given and is not used, as sentences for stderr; empty: all is used.
std::string unused_of(Reach const& reach);
// The same where only the folder is looked at.
std::string unused_offline(Reach const& reach);

// "millrace streams test X --data data": a command that reaches the same server, to be pasted into a shell. A token of the command
// line is not repeated: TOKEN stands in its place.
std::string again(Reach const& reach, std::string_view words);

}  // namespace millrace::commands
