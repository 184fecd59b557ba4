#include "control/signing_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/encoding.h"

namespace millrace::control {
namespace {

using crypto::RingKey;
namespace json = boost::json;

constexpr auto collection = "signing_keys";
constexpr auto ahead = std::chrono::hours(1);

std::string purpose_of(std::string_view kid) { return fmt::format("{}/{}", collection, kid); }

// ---- a key as it is stored: README.md shows the record

std::string to_record(RingKey const& key, crypto::Sealer const& sealer, io::Random& random) {
  json::object value;
  value["created_at"] = iso_ms(key.created_at);
  value["active_from"] = iso_ms(key.active_from);
  value["withdrawn"] = key.withdrawn ? json::value(iso_ms(*key.withdrawn)) : json::value(nullptr);
  value["n"] = key.key.modulus();
  value["e"] = key.key.exponent();
  value["sealed"] = base64(sealer.seal(key.key.to_pem(), purpose_of(key.kid), random.bytes(24)));
  return json::serialize(value);
}

Result<WallTime> time_in(json::object const& value, std::string_view name) {
  auto const* const text = value.if_contains(name);
  if (text == nullptr || !text->is_string())
    return fail(Fault::corrupt, fmt::format("{} is missing", name));
  return parse_time(std::string_view(text->get_string()));
}

Result<RingKey> from_record(store::Record const& record, crypto::Sealer const& sealer) {
  auto const broken = [&record](std::string_view why) {
    return fail(Fault::corrupt, fmt::format("signing key {}: {}", record.id, why));
  };
  boost::system::error_code error;
  auto const parsed = json::parse(record.value, error);
  if (error || !parsed.is_object()) return broken("its record is not JSON");
  auto const& value = parsed.get_object();
  auto const created = time_in(value, "created_at");
  if (!created) return broken(created.error().what);
  auto const active = time_in(value, "active_from");
  if (!active) return broken(active.error().what);
  std::optional<WallTime> withdrawn;
  if (auto const* const at = value.if_contains("withdrawn"); at != nullptr && at->is_string()) {
    auto const time = time_in(value, "withdrawn");
    if (!time) return broken(time.error().what);
    withdrawn = *time;
  }
  auto const* const sealed = value.if_contains("sealed");
  if (sealed == nullptr || !sealed->is_string()) return broken("has no sealed part");
  auto const box = unbase64(std::string_view(sealed->get_string()));
  if (!box) return broken("its sealed part is not Base64");
  auto const pem = sealer.open(*box, purpose_of(record.id));
  if (!pem) return broken(pem.error().what);
  auto key = crypto::SigningKey::from_pem(*pem);
  if (!key) return broken(key.error().what);
  return RingKey{.kid = record.id,
                 .key = std::move(*key),
                 .created_at = *created,
                 .active_from = *active,
                 .withdrawn = withdrawn};
}

// ---- making keys

bool is_usable(RingKey const& key) { return !key.withdrawn; }

std::string new_kid(std::vector<RingKey> const& taken, WallTime now, io::Random& random) {
  for (;;) {
    auto kid = crypto::make_kid(now, static_cast<std::uint16_t>(random.bits() & 0xFFFF));
    if (std::ranges::none_of(taken, [&](RingKey const& key) { return key.kid == kid; })) return kid;
  }
}

// Adds a key for each moment in `from`; answers their kids.
io::Task<std::vector<std::string>> make_keys(KeysParts& parts, std::vector<RingKey>& keys,
                                             std::vector<WallTime> from) {
  std::vector<std::string> made;
  for (auto const active_from : from) {
    auto key = co_await io::offload(parts.worker, [] { return crypto::SigningKey::generate(); });
    auto const now = parts.store.time().earliest();
    auto kid = new_kid(keys, now, parts.random);
    made.push_back(kid);
    keys.push_back({.kid = std::move(kid),
                    .key = std::move(key),
                    .created_at = now,
                    .active_from = active_from,
                    .withdrawn = {}});
  }
  co_return made;
}

std::vector<store::RecordChange> changes_of(std::vector<RingKey> const& keys,
                                            std::vector<std::string> const& changed,
                                            KeysParts& parts) {
  std::vector<store::RecordChange> changes;
  for (auto const& key : keys)
    if (std::ranges::find(changed, key.kid) != changed.end())
      changes.push_back({.collection = collection,
                         .id = key.kid,
                         .value = to_record(key, parts.sealer, parts.random),
                         .expected_version = {}});
  return changes;
}

}  // namespace

std::vector<WallTime> missing_keys(std::vector<RingKey> const& keys, WallTime now) {
  std::vector<WallTime> coming;
  for (auto const& key : keys)
    if (is_usable(key) && key.active_from > now) coming.push_back(key.active_from);
  std::ranges::sort(coming);

  std::vector<WallTime> missing;
  if (coming.empty()) coming.push_back(missing.emplace_back(crypto::next_rotation(now)));
  if (coming.size() == 1 && coming.front() - now <= ahead)
    missing.push_back(crypto::next_rotation(coming.front()));
  return missing;
}

SigningKeys::SigningKeys(KeysParts parts, io::Executor loop, crypto::KeyRing ring)
    : parts_(parts), rotations_(std::move(loop)), ring_(std::move(ring)) {}

io::Task<Result<std::unique_ptr<SigningKeys>>> SigningKeys::open(KeysParts parts) {
  auto const records = co_await parts.store.records(collection);
  if (!records) co_return pass(records);
  std::vector<RingKey> keys;
  for (auto const& record : *records) {
    auto key = from_record(record, parts.sealer);
    if (!key) co_return pass(key);
    keys.push_back(std::move(*key));
  }

  // A new ring has a previous key, too, though it never signed: who reads the JWKS sees three from the first day.
  auto const now = parts.store.time().earliest();
  std::vector<WallTime> from;
  if (keys.empty())
    from = {now - std::chrono::days(30), now, crypto::next_rotation(now)};
  else
    from = missing_keys(keys, now);
  auto const made = co_await make_keys(parts, keys, std::move(from));
  if (!made.empty()) {
    auto const stored = co_await parts.store.change(changes_of(keys, made, parts));
    if (!stored) co_return pass(stored);
    for (auto const& kid : made) parts.log.info("signing key made", {{"kid", kid}});
  }

  auto ring = crypto::KeyRing::make(std::move(keys));
  if (!ring) co_return pass(ring);
  co_return std::make_unique<SigningKeys>(parts, co_await io::asio::this_coro::executor,
                                          std::move(*ring));
}

io::Task<void> SigningKeys::run() {
  for (;;) {
    // A minute: the system's clock may be set, and a sleep knows nothing of that.
    co_await parts_.clock.sleep_for(std::chrono::minutes(1));
    if (auto const done = co_await prepare(); !done)
      parts_.log.error("signing keys cannot be prepared", {{"reason", done.error().what}});
  }
}

io::Task<Result<void>> SigningKeys::prepare() {
  if (busy_) co_return fail(Fault::conflict, "signing keys: a rotation is under way");
  auto keys = ring_.get()->keys();
  auto missing = missing_keys(keys, parts_.store.time().earliest());
  if (missing.empty()) co_return Result<void>();
  busy_ = true;
  auto made = co_await make_keys(parts_, keys, std::move(missing));
  auto done = co_await save(std::move(keys), std::move(made));
  busy_ = false;
  co_return done;
}

io::Task<Result<void>> SigningKeys::rotate(std::optional<std::string> emergency_kid) {
  co_return co_await io::answer<Result<void>>(
      [this, kid = std::move(emergency_kid)](io::Resolver<Result<void>> answer) mutable {
        io::asio::post(rotations_.executor(),
                       [this, kid = std::move(kid), answer = std::move(answer)]() mutable {
                         rotations_.start(rotate_and_answer(std::move(kid), std::move(answer)));
                       });
      });
}

io::Task<void> SigningKeys::rotate_and_answer(std::optional<std::string> emergency_kid,
                                              io::Resolver<Result<void>> answer) {
  auto done = co_await rotate_here(std::move(emergency_kid));
  answer(std::move(done));
}

io::Task<Result<void>> SigningKeys::rotate_here(std::optional<std::string> emergency_kid) {
  if (busy_)
    co_return fail(Fault::conflict, "signing keys: a rotation is under way; ask again in a moment");
  auto keys = ring_.get()->keys();
  auto const now = parts_.store.time().earliest();
  std::vector<std::string> changed;

  bool next_takes_over = true;
  if (emergency_kid) {
    auto const bad = std::ranges::find(keys, *emergency_kid, &RingKey::kid);
    if (bad == keys.end())
      co_return fail(Fault::missing,
                     fmt::format("signing keys: there is no key {}", *emergency_kid));
    bad->withdrawn = now;
    changed.push_back(bad->kid);
    // The current key is the newest of those that may sign by now.
    next_takes_over =
        bad->active_from <= now && std::ranges::none_of(keys, [&](RingKey const& key) {
          return is_usable(key) && key.active_from <= now && key.active_from > bad->active_from;
        });
  }

  busy_ = true;
  if (next_takes_over) {
    auto next = std::ranges::min_element(keys, {}, [now](RingKey const& key) {
      return is_usable(key) && key.active_from > now ? key.active_from : WallTime::max();
    });
    if (next == keys.end() || !is_usable(*next) || next->active_from <= now) {
      auto const made = co_await make_keys(parts_, keys, {now});
      changed.insert(changed.end(), made.begin(), made.end());
    } else {
      next->active_from = now;
      changed.push_back(next->kid);
    }
  }
  auto const made = co_await make_keys(parts_, keys, missing_keys(keys, now));
  changed.insert(changed.end(), made.begin(), made.end());
  auto done = co_await save(std::move(keys), std::move(changed));
  busy_ = false;
  co_return done;
}

// Stored first, seen after: a key that only one start knew would leave receivers with JWTs that nobody can verify.
io::Task<Result<void>> SigningKeys::save(std::vector<RingKey> keys,
                                         std::vector<std::string> changed) {
  auto const stored = co_await parts_.store.change(changes_of(keys, changed, parts_));
  if (!stored) co_return pass(stored);
  auto ring = crypto::KeyRing::make(std::move(keys));
  if (!ring) co_return pass(ring);
  ring_.set(std::move(*ring));
  for (auto const& kid : changed) parts_.log.info("signing key stored", {{"kid", kid}});
  co_return Result<void>();
}

io::Task<void> SigningKeys::join() { co_await rotations_.join(); }

}  // namespace millrace::control
