#include "cli/tokens_offline.h"

#include <boost/json/object.hpp>

#include "commands/print.h"
#include "commands/reach.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "server/offline.h"

namespace millrace::cli {

commands::Exit add_token_offline(commands::Credentials const& args) {
  if (args.reach.data.empty())
    return commands::failed({Fault::invalid, "--offline: needs --data DIR, the data folder"});
  if (auto const unused = commands::unused_offline(args.reach); !unused.empty())
    commands::remark(unused);
  server::OfflineToken token{.folder = args.reach.data,
                             .name = args.name.empty() ? args.role : args.name,
                             .role = *model::parse_role(args.role)};
  if (!args.accounts.empty()) token.accounts = args.accounts;
  if (!args.expires.empty()) {
    auto const end = parse_time(args.expires);
    if (!end)
      return commands::failed(
          {Fault::invalid, "--expires: must be a time like 2027-03-31T00:00:00Z"});
    token.expires_at = *end;
  }
  auto const log = stderr_log(LogLevel::warning);
  io::SystemClock clock;
  io::DiskFiles files;
  io::SystemRandom random;
  auto const made = server::add_token_offline(
      std::move(token), {.files = files, .clock = clock, .random = random, .log = *log});
  if (!made) return commands::failed(made.error());
  if (args.reach.json)
    commands::print_json(boost::json::object{{"id", made->record.id}, {"token", made->secret}});
  else
    commands::print_token(made->secret, made->record.id);
  if (args.accounts.empty()) commands::remark("it is good for every account; --account names some");
  return commands::Exit::done;
}

}  // namespace millrace::cli
