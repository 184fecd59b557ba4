// The signing keys of a node and the rule for which one signs (DESIGN 7, JWKS; mission: previous, current, next).
//   A KeyRing is immutable; rotation makes a new one. Time comes in as an argument.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "crypto/rsa.h"

namespace millrace::crypto {

struct RingKey {
  std::string kid;  // "2026-11-21T19:05:12Z-3fa9": ISO creation time and 4 hex digits
  SigningKey key;
  WallTime created_at{};
  WallTime
      active_from{};  // signs from then on; stored ahead, so that all nodes switch at one moment
  std::optional<WallTime> withdrawn;  // emergency: neither signs nor is published
};

// 00:00 UTC on the 30th, or on the last day of a shorter month: the first such moment after `time`.
WallTime next_rotation(WallTime time);

// "2026-11-21T19:05:12Z-3fa9"; `luck`: any 16 random bits, so that two nodes that make a key in one second do not name it alike.
std::string make_kid(WallTime created_at, std::uint16_t luck);

class KeyRing {
 public:
  // `keys` in any order, at least one not withdrawn, each kid once. A ring whose first key is active only later than `now` (a
  // clock that went back) signs with that one. Fails with: invalid.
  static Result<KeyRing> make(std::vector<RingKey> keys);

  // The three that are published at `now`, in the order previous, current, next. Fewer only in a ring that has fewer.
  std::vector<RingKey const*> published(WallTime now) const;
  // The key that was current at `accepted`, as long as it stays published for 24 h more after `now`; else the current one.
  RingKey const& key_for(WallTime accepted, WallTime now) const;
  RingKey const* find(
      std::string_view kid) const;  // of all keys, also those that are published no more
  std::vector<RingKey> const& keys() const { return keys_; }

  // True when no key is waiting to become current: a new one is due, active from next_rotation(now). A rotation that was missed
  // (the node was down) is made up for once: the old next is current by then, whatever number of months has passed.
  bool lacks_next(WallTime now) const;

  // The document of /jwks: {"keys":[…]}, members kty, e, n, alg, use, kid.
  std::string jwks(WallTime now) const;

 private:
  std::vector<RingKey> keys_;  // by active_from
};

}  // namespace millrace::crypto
