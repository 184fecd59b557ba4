#include "control/registry.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "base/meters.h"
#include "control/credential_table.h"
#include "control/records.h"
#include "control/turns.h"
#include "crypto/digest.h"
#include "io/shared.h"

namespace millrace::control {
namespace {

using namespace std::chrono_literals;

constexpr Duration use_step = 1h;  // how coarsely the last use of a token is known

// `bytes` in the alphabet of AWS's access key ids, 5 bits a character.
std::string base32(std::string_view bytes) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out;
  unsigned held = 0;
  unsigned bits = 0;
  for (char const c : bytes) {
    held = (held << 8 | static_cast<unsigned char>(c)) & 0xFFFFU;
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[(held >> (bits - 5)) & 31U];
  }
  return out;
}

WallTime whole_ms_of(WallTime time) { return from_unix_ms(unix_ms(time)); }

std::string purpose_of(std::string_view collection, std::string_view id) {
  return std::string(collection) + "/" + std::string(id);
}

class StoredRegistry final : public Registry {
 public:
  StoredRegistry(store::Store& store, crypto::Sealer sealer, io::Clock& clock, io::Random& random)
      : store_(store), sealer_(std::move(sealer)), clock_(clock), random_(random) {}

  io::Task<Result<void>> load() {
    if (auto same = co_await check_master_key(); !same) co_return pass(same);
    if (auto read = co_await load_streams(); !read) co_return pass(read);
    if (auto read = co_await load_tokens(); !read) co_return pass(read);
    if (auto read = co_await load_access_keys(); !read) co_return pass(read);
    co_return co_await load_repeats();
  }

  std::optional<model::Principal> token(std::string_view bearer) const override {
    auto const hash = crypto::sha256(bearer);
    auto const found = credentials_.with([&](auto const& all) { return all.bearer(hash); });
    // A clock that runs away ends no token.
    if (!found || has_ended(found->expires_at, store_.time().earliest())) return std::nullopt;
    auto const now = unix_ms(clock_.wall());
    auto& last = found->use->last_ms;
    if (now - last.load(std::memory_order_relaxed) >= whole_ms(use_step))
      last.store(now, std::memory_order_relaxed);
    return found->principal;
  }

  std::optional<model::AccessKey> access_key(std::string_view id) const override {
    auto const found =
        credentials_.with([&](auto const& all) { return all.access_key(std::string(id)); });
    if (!found || found->record.revoked) return std::nullopt;
    auto const& record = found->record;
    return model::AccessKey{
        record.access_key_id,
        found->secret,
        {record.access_key_id, "access key", model::Role::producer, record.accounts}};
  }

  std::vector<StreamPtr> streams() const override {
    return streams_.with([](auto const& all) { return all.living(); });
  }
  StreamPtr stream(StreamId id) const override {
    auto const found = streams_.with([&](auto const& all) { return all.find(id); });
    return found && !found->gone ? StreamPtr(found, &found->stream) : nullptr;
  }
  std::optional<StreamId> namesake(std::string const& account, std::string const& name,
                                   StreamId except) const override {
    return streams_.with([&](auto const& all) { return all.namesake(account, name, except); });
  }
  std::vector<DesiredPtr> desired() const override {
    return streams_.with([](auto const& all) { return all.all(); });
  }
  DesiredPtr desired(StreamId id) const override {
    return streams_.with([&](auto const& all) { return all.find(id); });
  }
  std::vector<TokenRecord> tokens() const override {
    return credentials_.with([](auto const& all) { return all.tokens(); });
  }
  std::vector<AccessKeyRecord> access_keys() const override {
    return credentials_.with([](auto const& all) { return all.access_keys(); });
  }
  std::optional<Made> made(std::string const& key) const override {
    auto const now = store_.time().earliest();
    return repeats_.with([&](auto const& all) { return all.find(key, now); });
  }
  std::uint64_t repeats_dropped() const override { return dropped_.value(); }
  bool names(std::string const& account) const override {
    return streams_.with([&](auto const& all) { return all.names(account); }) ||
           credentials_.with([&](auto const& all) { return all.names(account); });
  }

  io::Task<Result<DesiredPtr>> save(model::DesiredStream desired, model::Principal by,
                                    std::string action, std::optional<Repeat> repeat) override;
  io::Task<Result<DesiredPtr>> bury(StreamId id, std::uint64_t expected_version,
                                    model::Principal by) override;
  io::Task<Result<void>> forget(StreamId id, std::uint64_t version) override;
  io::Task<Result<NewToken>> add_token(std::string name, model::Role role,
                                       std::vector<std::string> accounts, model::Principal by,
                                       std::optional<Repeat> repeat,
                                       std::optional<WallTime> expires_at) override;
  io::Task<Result<void>> revoke_token(std::string id, model::Principal by) override;
  io::Task<Result<void>> store_uses() override;
  io::Task<Result<bool>> first_owner(std::function<Result<void>(std::string const&)> keep) override;
  io::Task<Result<NewAccessKey>> add_access_key(std::vector<std::string> accounts,
                                                model::Principal by, std::optional<Repeat> repeat,
                                                std::optional<GivenKey> given) override;
  io::Task<Result<void>> revoke_access_key(std::string id, model::Principal by) override;
  io::Task<Result<void>> note(AuditLine line, model::Principal by) override;

 private:
  using Changes = std::vector<store::RecordChange>;

  io::Task<Result<void>> check_master_key();
  io::Task<Result<void>> load_streams();
  io::Task<Result<void>> load_tokens();
  io::Task<Result<void>> load_access_keys();
  io::Task<Result<void>> load_repeats();

  WallTime now() const { return whole_ms_of(clock_.wall()); }
  std::string new_id() { return Uuid::v7(clock_.wall(), random_.bits(), random_.bits()).text(); }
  std::string seal(std::string_view plain, std::string_view collection, std::string_view id) {
    return sealer_.seal(plain, purpose_of(collection, id), random_.bytes(24));
  }
  store::RecordChange audit(AuditLine const& line, model::Principal const& by) {
    auto const id = new_id();
    return {"audit", id, to_json(line, id, now(), by), 0};
  }
  // Stores the changes, and with them that `repeat` made `id`.
  io::Task<Result<void>> commit(Changes changes, std::optional<Repeat> repeat, std::string id);
  io::Task<void> forget_old_repeats();
  io::Task<Result<NewToken>> store_token(StoredToken token, std::string secret, model::Principal by,
                                         std::optional<Repeat> repeat);
  StoredToken make_token(std::string name, model::Role role, std::vector<std::string> accounts,
                         std::string const& secret, std::optional<WallTime> expires_at);
  bool is_last_owner(std::string const& id) const {
    auto const now = store_.time().earliest();
    return credentials_.with([&](auto const& all) { return all.is_last_owner(id, now); });
  }
  template <class Record>
  void show(Record const& record) {
    credentials_.with([&](auto& all) { all.put(record); });
  }
  void show(DesiredPtr desired) {
    streams_.with([&](auto& all) { all.put(std::move(desired)); });
  }
  std::string new_token_secret() { return "mr_" + base64url(random_.bytes(32)); }

  store::Store& store_;
  crypto::Sealer const sealer_;
  io::Clock& clock_;
  io::Random& random_;
  Counter dropped_;
  Turns revoking_;
  io::Locked<StreamTable> streams_;
  io::Locked<CredentialTable> credentials_;
  io::Locked<Repeats> repeats_;
};

// The key's fingerprint is kept, so that another key is told from damage even where nothing is sealed yet.
io::Task<Result<void>> StoredRegistry::check_master_key() {
  auto const settings = co_await store_.records("settings");
  if (!settings) co_return pass(settings);
  for (auto const& record : *settings) {
    if (record.id != "master_key_fingerprint") continue;
    if (record.value == sealer_.fingerprint()) co_return Result<void>();
    co_return fail(Fault::corrupt, "master key: this one (" + sealer_.fingerprint() +
                                       ") is not the one that the store was sealed with (" +
                                       record.value +
                                       "); start with that one, as nothing sealed can be read "
                                       "without it");
  }
  Changes changes;
  changes.push_back({"settings", "master_key_fingerprint", sealer_.fingerprint(), 0});
  co_return co_await store_.change(std::move(changes));
}

io::Task<Result<void>> StoredRegistry::load_streams() {
  auto const records = co_await store_.records("streams");
  if (!records) co_return pass(records);
  for (auto const& record : *records) {
    auto const opened = sealer_.open(record.value, purpose_of("streams", record.id));
    auto desired =
        opened ? model::desired_from_stored(*opened) : Result<model::DesiredStream>(pass(opened));
    if (!desired || desired->stream.id.text() != record.id)
      co_return fail(Fault::corrupt, "data stream " + record.id +
                                         ": the stored record is damaged, or was sealed with "
                                         "another master key");
    desired->stream.version = record.version;
    show(std::make_shared<model::DesiredStream const>(std::move(*desired)));
  }
  co_return Result<void>();
}

io::Task<Result<void>> StoredRegistry::load_tokens() {
  auto const tokens = co_await store_.records("tokens");
  if (!tokens) co_return pass(tokens);
  for (auto const& record : *tokens) {
    auto const token = decode_token(record);
    if (!token) co_return pass(token);
    show(*token);
  }
  auto const uses = co_await store_.records("token_uses");
  if (!uses) co_return pass(uses);
  credentials_.with([&](CredentialTable const& all) {
    for (auto const& record : *uses) {
      auto const use = all.uses().find(record.id);
      std::int64_t last = 0;
      auto const* const end = record.value.data() + record.value.size();
      if (use == all.uses().end() ||
          std::from_chars(record.value.data(), end, last).ec != std::errc())
        continue;
      use->second->last_ms = last;
      use->second->stored_ms = last;
    }
  });
  co_return Result<void>();
}

io::Task<Result<void>> StoredRegistry::load_access_keys() {
  auto const keys = co_await store_.records("access_keys");
  if (!keys) co_return pass(keys);
  for (auto const& record : *keys) {
    auto const opened = sealer_.open(record.value, purpose_of("access_keys", record.id));
    if (!opened)
      co_return fail(Fault::corrupt, "access key " + record.id +
                                         ": the stored record is damaged, or was sealed with "
                                         "another master key");
    auto const key = decode_access_key(record, *opened);
    if (!key) co_return pass(key);
    show(*key);
  }
  co_return Result<void>();
}

io::Task<Result<void>> StoredRegistry::load_repeats() {
  auto const repeats = co_await store_.records("idempotency");
  if (!repeats) co_return pass(repeats);
  for (auto const& record : *repeats) {
    auto made = decode_made(record);
    if (!made) co_return pass(made);
    repeats_.with([&](Repeats& all) { all.put(record.id, std::move(*made)); });
  }
  co_return Result<void>();
}

io::Task<Result<void>> StoredRegistry::commit(Changes changes, std::optional<Repeat> repeat,
                                              std::string id) {
  if (!repeat) co_return co_await store_.change(std::move(changes));
  co_await forget_old_repeats();
  Made const made{repeat->body_hash, std::move(id), whole_ms_of(store_.time().latest()),
                  repeat->by};
  // Any version: a key that was used more than a day ago is used anew.
  changes.push_back({"idempotency", repeat->key, encode(made), std::nullopt});
  if (auto stored = co_await store_.change(std::move(changes)); !stored) co_return pass(stored);
  repeats_.with([&](Repeats& all) { all.put(repeat->key, made); });
  co_return Result<void>();
}

io::Task<void> StoredRegistry::forget_old_repeats() {
  // Taken out of memory first, so that no two calls end the same one.
  auto const now = store_.time().earliest();
  auto ended = repeats_.with([&](Repeats& all) { return all.take_ended(now); });
  if (ended.empty()) {
    if (auto surplus = repeats_.with([](Repeats& all) { return all.take_surplus(); })) {
      ended.push_back(std::move(*surplus));
      dropped_.add();
    }
  }
  if (ended.empty()) co_return;
  Changes changes;
  for (auto const& key : ended) changes.push_back({"idempotency", key, std::nullopt, std::nullopt});
  // A failure leaves them on disk: they are read at the next start, and ended then.
  static_cast<void>(co_await store_.change(std::move(changes)));
}

io::Task<Result<DesiredPtr>> StoredRegistry::save(model::DesiredStream desired, model::Principal by,
                                                  std::string action,
                                                  std::optional<Repeat> repeat) {
  auto& stream = desired.stream;
  auto const id = stream.id.text();
  auto const before = this->desired(stream.id);
  auto const expected = stream.version;
  if (expected != (before ? before->stream.version : 0) || (before && before->gone))
    co_return fail(Fault::conflict,
                   "data stream " + id + ": somebody else has changed it meanwhile");
  ++stream.version;
  stream.updated_at = now();
  if (!before) stream.created_at = stream.updated_at;

  AuditLine line{std::move(action), id, stream.name, {stream.account}, {}};
  if (before) {
    line.changes = changes_between(before->stream, stream);
    if (before->stream.account != stream.account) line.accounts.push_back(before->stream.account);
  }
  Changes changes;
  changes.push_back({"streams", id, seal(model::to_stored(desired), "streams", id), expected});
  changes.push_back(audit(line, by));
  auto stored = co_await commit(std::move(changes), std::move(repeat), id);
  if (!stored) co_return pass(stored);

  auto after = std::make_shared<model::DesiredStream const>(std::move(desired));
  show(after);
  co_return after;
}

io::Task<Result<DesiredPtr>> StoredRegistry::bury(StreamId id, std::uint64_t expected_version,
                                                  model::Principal by) {
  auto const before = stream(id);
  if (!before) co_return fail(Fault::missing, "data stream " + id.text() + ": there is none");
  model::DesiredStream tombstone;
  tombstone.gone = true;
  tombstone.stream.id = id;
  tombstone.stream.name = before->name;
  tombstone.stream.account = before->account;
  tombstone.stream.version = expected_version + 1;
  auto const box = seal(model::to_stored(tombstone), "streams", id.text());
  Changes changes;
  changes.push_back({"streams", id.text(), box, expected_version});
  changes.push_back(
      audit({"data_streams.delete", id.text(), before->name, {before->account}, {}}, by));
  if (auto stored = co_await store_.change(std::move(changes)); !stored) co_return pass(stored);

  auto after = std::make_shared<model::DesiredStream const>(std::move(tombstone));
  show(after);
  co_return after;
}

io::Task<Result<void>> StoredRegistry::forget(StreamId id, std::uint64_t version) {
  Changes changes;
  changes.push_back({"streams", id.text(), std::nullopt, version});
  if (auto stored = co_await store_.change(std::move(changes)); !stored) co_return pass(stored);
  streams_.with([&](auto& all) { all.forget(id); });
  co_return Result<void>();
}

StoredToken StoredRegistry::make_token(std::string name, model::Role role,
                                       std::vector<std::string> accounts, std::string const& secret,
                                       std::optional<WallTime> expires_at) {
  return {{new_id(), std::move(name), role, std::move(accounts), now(), false, expires_at},
          crypto::sha256(secret),
          1};
}

io::Task<Result<Registry::NewToken>> StoredRegistry::store_token(StoredToken token,
                                                                 std::string secret,
                                                                 model::Principal by,
                                                                 std::optional<Repeat> repeat) {
  auto const& record = token.record;
  Changes changes;
  changes.push_back({"tokens", record.id, encode(token), 0});
  changes.push_back(
      audit({"tokens.create",
             record.id,
             record.name,
             record.accounts,
             {{"/role", std::nullopt, "\"" + std::string(name_of(record.role)) + "\""}}},
            by));
  auto stored = co_await commit(std::move(changes), std::move(repeat), record.id);
  if (!stored) co_return pass(stored);

  show(token);
  co_return NewToken{record, std::move(secret)};
}

io::Task<Result<Registry::NewToken>> StoredRegistry::add_token(std::string name, model::Role role,
                                                               std::vector<std::string> accounts,
                                                               model::Principal by,
                                                               std::optional<Repeat> repeat,
                                                               std::optional<WallTime> expires_at) {
  auto secret = new_token_secret();
  auto token = make_token(std::move(name), role, std::move(accounts), secret, expires_at);
  co_return co_await store_token(std::move(token), std::move(secret), std::move(by),
                                 std::move(repeat));
}

io::Task<Result<bool>> StoredRegistry::first_owner(
    std::function<Result<void>(std::string const&)> keep) {
  if (!is_last_owner("")) co_return false;
  auto secret = new_token_secret();
  auto token = make_token("first owner", model::Role::owner, {"*"}, secret, std::nullopt);
  if (auto kept = keep(secret); !kept) co_return pass(kept);
  model::Principal const system{"system", "first start", model::Role::owner, {"*"}};
  auto const stored =
      co_await store_token(std::move(token), std::move(secret), system, std::nullopt);
  if (!stored) co_return pass(stored);
  co_return true;
}

io::Task<Result<void>> StoredRegistry::store_uses() {
  Changes changes;
  std::vector<std::pair<std::shared_ptr<Use>, std::int64_t>> stored;
  credentials_.with([&](CredentialTable const& all) {
    for (auto const& [id, use] : all.uses()) {
      auto const last = use->last_ms.load();
      if (last == use->stored_ms.load()) continue;
      changes.push_back({"token_uses", id, std::to_string(last), std::nullopt});
      stored.emplace_back(use, last);
    }
  });
  if (changes.empty()) co_return Result<void>();
  if (auto done = co_await store_.change(std::move(changes)); !done) co_return pass(done);
  for (auto const& [use, last] : stored) use->stored_ms.store(last);
  co_return Result<void>();
}

io::Task<Result<void>> StoredRegistry::revoke_token(std::string id, model::Principal by) {
  // One after the other: of two that revoke each other's token, the second finds itself the last.
  auto const turn = co_await revoking_.take("");
  auto const found = credentials_.with([&](auto const& all) { return all.token(id); });
  if (!found) co_return fail(Fault::missing, "token " + id + ": there is none");
  auto token = *found;
  if (token.record.revoked) co_return fail(Fault::conflict, "token " + id + ": is revoked already");
  bool const owns = token.record.role == model::Role::owner &&
                    std::ranges::find(token.record.accounts, "*") != token.record.accounts.end();
  if (owns && !has_ended(token.record.expires_at, store_.time().earliest()) && is_last_owner(id))
    co_return fail(Fault::conflict,
                   "token " + id +
                       ": is the last one that owns every account; without it nobody could "
                       "administer this node. Add another owner first");
  token.record.revoked = true;
  auto const version = token.version++;
  Changes changes;
  changes.push_back({"tokens", id, encode(token), version});
  changes.push_back(audit({"tokens.revoke", id, token.record.name, token.record.accounts, {}}, by));
  if (auto stored = co_await store_.change(std::move(changes)); !stored) co_return pass(stored);

  show(token);
  co_return Result<void>();
}

io::Task<Result<Registry::NewAccessKey>> StoredRegistry::add_access_key(
    std::vector<std::string> accounts, model::Principal by, std::optional<Repeat> repeat,
    std::optional<GivenKey> given) {
  if (!given) given = GivenKey{"AKIA" + base32(random_.bytes(10)), base64(random_.bytes(30))};
  auto const id = given->access_key_id;
  if (credentials_.with([&](auto const& all) { return all.access_key(id); }))
    co_return fail(Fault::conflict, "access key " + id + ": there is one with this id");
  StoredAccessKey const key{
      {id, std::move(accounts), now(), false}, std::move(given->secret_access_key), 1};
  Changes changes;
  changes.push_back({"access_keys", id, seal(encode(key), "access_keys", id), 0});
  changes.push_back(audit({"access_keys.create", id, "", key.record.accounts, {}}, by));
  auto stored = co_await commit(std::move(changes), std::move(repeat), id);
  if (!stored) co_return pass(stored);

  show(key);
  co_return NewAccessKey{key.record, key.secret};
}

io::Task<Result<void>> StoredRegistry::revoke_access_key(std::string id, model::Principal by) {
  auto const found = credentials_.with([&](auto const& all) { return all.access_key(id); });
  if (!found) co_return fail(Fault::missing, "access key " + id + ": there is none");
  auto key = *found;
  if (key.record.revoked)
    co_return fail(Fault::conflict, "access key " + id + ": is revoked already");
  key.record.revoked = true;
  key.secret.clear();
  auto const version = key.version++;
  Changes changes;
  changes.push_back({"access_keys", id, seal(encode(key), "access_keys", id), version});
  changes.push_back(audit({"access_keys.revoke", id, "", key.record.accounts, {}}, by));
  if (auto stored = co_await store_.change(std::move(changes)); !stored) co_return pass(stored);

  show(key);
  co_return Result<void>();
}

io::Task<Result<void>> StoredRegistry::note(AuditLine line, model::Principal by) {
  Changes changes;
  changes.push_back(audit(line, by));
  co_return co_await store_.change(std::move(changes));
}

}  // namespace

io::Task<Result<std::unique_ptr<Registry>>> Registry::open(store::Store& store,
                                                           crypto::Sealer sealer, io::Clock& clock,
                                                           io::Random& random) {
  auto registry = std::make_unique<StoredRegistry>(store, std::move(sealer), clock, random);
  if (auto loaded = co_await registry->load(); !loaded) co_return pass(loaded);
  co_return registry;
}

}  // namespace millrace::control
