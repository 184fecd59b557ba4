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

}  // namespace

io::Task<Result<bool>> make_first_token(store::Store& store, api::Registry& registry,
                                        io::Files& files, std::string folder) {
  auto const records = co_await store.records(collection);
  if (!records) co_return pass(records);
  if (std::ranges::any_of(*records,
                          [](store::Record const& record) { return record.id == record_id; }))
    co_return false;

  for (auto const& token : registry.tokens()) {
    if (token.name != token_name || token.revoked) continue;
    if (auto const revoked = co_await registry.revoke_token(token.id, the_node()); !revoked)
      co_return pass(revoked);
  }
  auto made = co_await registry.add_token(token_name, model::Role::owner, {"*"}, the_node());
  if (!made) co_return pass(made);
  if (auto const written = files.write_all(folder + "/admin.token", made->secret + "\n", 0600);
      !written)
    co_return pass(written);

  std::vector<store::RecordChange> changes;
  changes.push_back(
      {.collection = collection, .id = record_id, .value = made->record.id, .expected_version = 0});
  if (auto const stored = co_await store.change(std::move(changes)); !stored)
    co_return pass(stored);
  co_return true;
}

}  // namespace millrace::server
