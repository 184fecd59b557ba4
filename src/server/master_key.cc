#include "server/master_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/encoding.h"

namespace millrace::server {
namespace {

constexpr auto collection = "settings";
constexpr auto record_id = "master_key_fingerprint";

io::Task<Result<std::optional<std::string>>> known_fingerprint(store::Store& store) {
  auto const records = co_await store.records(collection);
  if (!records) co_return pass(records);
  for (auto const& record : *records)
    if (record.id == record_id) co_return record.value;
  co_return std::nullopt;
}

// Collections whose values are sealed. One of them without a fingerprint means that records were taken away by hand.
io::Task<Result<bool>> has_sealed_records(store::Store& store) {
  for (auto const* const sealed : {"signing_keys", "access_keys", "streams"}) {
    auto const records = co_await store.records(sealed);
    if (!records) co_return pass(records);
    if (!records->empty()) co_return true;
  }
  co_return false;
}

Result<std::optional<std::string>> read_key(io::Files& files, std::string const& path) {
  auto const there = files.exists(path);
  if (!there) return pass(there);
  if (!*there) return std::nullopt;
  auto text = files.read_all(path, 4096);
  if (!text) return pass(text);
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' '))
    text->pop_back();
  auto key = unhex(*text);
  if (!key || key->size() != 32)
    return fail(Fault::invalid,
                path + ": is not a master key (64 hexadecimal digits); put the right file back");
  return key;
}

}  // namespace

io::Task<Result<crypto::Sealer>> open_master_key(store::Store& store, io::Files& files,
                                                 io::Random& random, std::string folder) {
  auto const path = folder + "/master.key";
  auto const known = co_await known_fingerprint(store);
  if (!known) co_return pass(known);
  auto key = read_key(files, path);
  if (!key) co_return pass(key);

  if (!*key) {
    auto const sealed = co_await has_sealed_records(store);
    if (!sealed) co_return pass(sealed);
    if (*known || *sealed)
      co_return fail(Fault::missing, path +
                                         ": is missing, and the secrets in this folder are sealed "
                                         "with it; put it back from your backup");
    *key = random.bytes(32);
    if (auto const written = files.write_all(path, hex(**key) + "\n", 0600); !written)
      co_return pass(written);
  }

  auto sealer = crypto::Sealer::make(**key);
  if (!sealer) co_return pass(sealer);
  auto const fingerprint = sealer->fingerprint();
  if (*known && **known != fingerprint)
    co_return fail(Fault::conflict,
                   fmt::format("{}: is not the key that the secrets in this folder are sealed with "
                               "(it has the fingerprint {}, they need {}); "
                               "put the right one back from your backup",
                               path, fingerprint, **known));
  if (!*known) {
    std::vector<store::RecordChange> changes;
    changes.push_back(
        {.collection = collection, .id = record_id, .value = fingerprint, .expected_version = 0});
    if (auto const stored = co_await store.change(std::move(changes)); !stored)
      co_return pass(stored);
  }
  co_return std::move(*sealer);
}

}  // namespace millrace::server
