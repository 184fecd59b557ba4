// What can be done to the data folder of a service that does not run: the way in for whoever may read and write the folder, and has no
// token left.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/registry.h"
#include "io/files.h"

namespace millrace::server {

struct OfflineToken {
  std::string folder;  // the data folder
  std::string name;
  model::Role role = model::Role::owner;
  std::vector<std::string> accounts{"*"};
  std::optional<WallTime> expires_at{};
};

struct OfflineParts {  // all outlive the call
  io::Files& files;
  io::Clock& clock;
  io::Random& random;
  Log& log;
};

// Adds a token to the store, with its audit line; the secret is in the answer and nowhere else. Blocks.
// Fails with: missing (there is no store in the folder), conflict (a running process uses it), and what opening a store fails with.
Result<control::Registry::NewToken> add_token_offline(OfflineToken token, OfflineParts parts);

}  // namespace millrace::server
