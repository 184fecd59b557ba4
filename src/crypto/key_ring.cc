#include "crypto/key_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "json/write.h"

namespace millrace::crypto {
namespace {

constexpr Duration guard_before_unpublished = std::chrono::hours(24);

std::vector<RingKey const*> usable(std::vector<RingKey> const& keys, WallTime now) {
  std::vector<RingKey const*> out;
  for (auto const& key : keys)
    if (!key.withdrawn || *key.withdrawn > now) out.push_back(&key);
  return out;
}

// Of keys by active_from: the last that is active at `at`; the first when none is.
std::size_t current_of(std::vector<RingKey const*> const& keys, WallTime at) {
  std::size_t current = 0;
  for (std::size_t i = 1; i < keys.size(); ++i)
    if (keys[i]->active_from <= at) current = i;
  return current;
}

std::vector<RingKey const*> around(std::vector<RingKey const*> const& keys, WallTime at) {
  if (keys.empty()) return {};
  auto const current = current_of(keys, at);
  auto const first = current == 0 ? 0 : current - 1;
  auto const last = std::min(current + 2, keys.size());
  return {keys.begin() + static_cast<std::ptrdiff_t>(first),
          keys.begin() + static_cast<std::ptrdiff_t>(last)};
}

}  // namespace

WallTime next_rotation(WallTime time) {
  using namespace std::chrono;
  year_month_day const today(floor<days>(time));
  auto month = today.year() / today.month();
  for (;; month += months(1)) {
    auto const last = year_month_day(month / std::chrono::last).day();
    WallTime const moment{sys_days(month / std::min(day(30), last))};
    if (moment > time) return moment;
  }
}

std::string make_kid(WallTime created_at, std::uint16_t luck) {
  return fmt::format("{}-{:04x}", iso_s(created_at), luck);
}

Result<KeyRing> KeyRing::make(std::vector<RingKey> keys) {
  std::ranges::sort(keys, {}, [](RingKey const& key) {
    return std::pair(key.active_from, std::string_view(key.kid));
  });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].kid.empty()) return fail(Fault::invalid, "signing keys: one has no kid");
    for (std::size_t j = 0; j < i; ++j)
      if (keys[i].kid == keys[j].kid)
        return fail(Fault::invalid, fmt::format("signing keys: {} is there twice", keys[i].kid));
  }
  if (std::ranges::none_of(keys, [](RingKey const& key) { return !key.withdrawn; }))
    return fail(Fault::invalid, "signing keys: none is left that may sign");
  KeyRing ring;
  ring.keys_ = std::move(keys);
  return ring;
}

std::vector<RingKey const*> KeyRing::published(WallTime now) const {
  return around(usable(keys_, now), now);
}

RingKey const& KeyRing::key_for(WallTime accepted, WallTime now) const {
  auto const good = usable(keys_, now), good_then = usable(keys_, accepted);
  auto const* const current = good[current_of(good, now)];
  auto const* const then = good_then[current_of(good_then, accepted)];
  // Accepted before the ring's first key was active, or by a clock that is ahead of ours.
  if (then->active_from > accepted || then->active_from > now) return *current;
  auto const tomorrow = around(good, now + guard_before_unpublished);
  return std::ranges::find(tomorrow, then) == tomorrow.end() ? *current : *then;
}

RingKey const* KeyRing::find(std::string_view kid) const {
  auto const found = std::ranges::find(keys_, kid, &RingKey::kid);
  return found == keys_.end() ? nullptr : &*found;
}

bool KeyRing::lacks_next(WallTime now) const {
  auto const good = usable(keys_, now);
  return current_of(good, now) + 1 >= good.size();
}

std::string KeyRing::jwks(WallTime now) const {
  json::Writer out;
  out.begin_object().key("keys").begin_array();
  for (auto const* key : published(now)) {
    out.begin_object();
    out.key("kty").text("RSA").key("e").text(key->key.exponent()).key("n").text(key->key.modulus());
    out.key("alg").text("RS256").key("use").text("sig").key("kid").text(key->kid).end_object();
  }
  out.end_array().end_object();
  return std::move(out).take();
}

}  // namespace millrace::crypto
