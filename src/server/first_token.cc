#include "server/first_token.h"

#include <algorithm>

namespace millrace::server {
namespace {

constexpr auto collection = "settings";
constexpr auto record_id = "first_token";
constexpr auto token_name = "first owner (admin.token)";

model::Principal the_node() {
  return {.id = "node", .name = "first start", .role = model::Role::owner, .accounts = {"*"}};
}

// A state that was lost, and accepted as lost, leaves the token of the node before it: it may be the only copy of what the state, once
// found again, knows.
Result<void> keep_old_file(io::Files& files, Log& log, std::string const& path,
                           std::string const& new_id) {
  auto const there = files.exists(path);
  if (!there) return pass(there);
  if (!*there) return {};
  auto const kept = path + ".before-" + new_id;
  if (auto const moved = files.rename(path, kept); !moved) return moved;
  log.warning("an owner's token of an earlier start was there: it is kept under another name",
              {{"file", kept}});
  return {};
}

}  // namespace

io::Task<Result<bool>> make_first_token(store::Store& store, control::Registry& registry,
                                        io::Files& files, Log& log, std::string folder) {
  auto const records = co_await store.records(collection);
  if (!records) co_return pass(records);
  if (std::ranges::any_of(*records,
                          [](store::Record const& record) { return record.id == record_id; }))
    co_return false;

  auto const before = registry.tokens();
  auto made = co_await registry.add_token(token_name, model::Role::owner, {"*"}, the_node());
  if (!made) co_return pass(made);
  // Only now: the last owner is not revoked.
  for (auto const& token : before) {
    if (token.name != token_name || token.revoked) continue;
    if (auto const revoked = co_await registry.revoke_token(token.id, the_node()); !revoked)
      co_return pass(revoked);
  }
  auto const path = folder + "/admin.token";
  if (auto const kept = keep_old_file(files, log, path, made->record.id); !kept)
    co_return pass(kept);
  if (auto const written = files.write_all(path, made->secret + "\n", 0600); !written)
    co_return pass(written);

  std::vector<store::RecordChange> changes;
  changes.push_back(
      {.collection = collection, .id = record_id, .value = made->record.id, .expected_version = 0});
  if (auto const stored = co_await store.change(std::move(changes)); !stored)
    co_return pass(stored);
  co_return true;
}

}  // namespace millrace::server
