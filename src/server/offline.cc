#include "server/offline.h"

#include <boost/asio/io_context.hpp>

#include "server/master_key.h"
#include "store/open.h"

namespace millrace::server {
namespace {

using Made = Result<control::Registry::NewToken>;

io::Task<Made> add_to(store::Store& store, OfflineToken token, OfflineParts parts) {
  auto sealer = co_await open_master_key(store, parts.files, parts.random, token.folder);
  if (!sealer) co_return pass(sealer);
  auto registry = co_await control::Registry::open(store, *sealer, parts.clock, parts.random);
  if (!registry) co_return pass(registry);
  model::Principal const by{"offline", "offline, on the data folder", model::Role::owner, {"*"}};
  co_return co_await (*registry)->add_token(std::move(token.name), token.role,
                                            std::move(token.accounts), by, std::nullopt,
                                            token.expires_at);
}

io::Task<void> add_and_close(store::Store& store, OfflineToken token, OfflineParts parts,
                             Made& made) {
  made = co_await add_to(store, std::move(token), parts);
  auto const closed = co_await store.close();
  if (made && !closed) made = pass(closed);
}

}  // namespace

Result<control::Registry::NewToken> add_token_offline(OfflineToken token, OfflineParts parts) {
  // Opening a store makes one where there is none: a misspelt folder must not become a data folder.
  auto const there = parts.files.exists(token.folder + "/state.db");
  if (!there) return pass(there);
  if (!*there)
    return fail(Fault::missing,
                token.folder + ": is not the data folder of a service (no state.db)");
  store::FolderSettings settings;
  settings.folder = token.folder;
  settings.ticker = false;  // nothing is to happen but this
  auto store = store::open_folder(settings, parts.files, parts.clock, parts.random, parts.log);
  if (!store) return pass(store);

  Made made = fail(Fault::io, "offline: nothing was done");
  boost::asio::io_context loop(1);
  io::TaskScope scope(loop.get_executor());
  scope.start(add_and_close(**store, std::move(token), parts, made));
  loop.run();
  return made;
}

}  // namespace millrace::server
