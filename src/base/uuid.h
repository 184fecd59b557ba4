// Ids: 128 bits, shown as RFC 9562 UUIDs. Distinct kinds are distinct types without conversions.
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace millrace {

struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  // A version 7 UUID: 48 bits of Unix milliseconds, then 74 random bits taken from `random_high` and `random_low`.
  static Uuid v7(WallTime time, std::uint64_t random_high, std::uint64_t random_low);
  // Reads the 36-character form, either case; nullopt if it is anything else.
  static std::optional<Uuid> parse(std::string_view text);

  std::string text() const;  // 36 characters, lower case
  WallTime time() const;     // of a version 7 UUID: its milliseconds

  friend auto operator<=>(Uuid const&, Uuid const&) = default;
};

template <class Kind>
struct Id {
  Uuid uuid;

  static std::optional<Id> parse(std::string_view text) {
    auto const uuid = Uuid::parse(text);
    return uuid ? std::optional<Id>(Id{*uuid}) : std::nullopt;
  }
  std::string text() const { return uuid.text(); }
  friend auto operator<=>(Id const&, Id const&) = default;
};

using EventId = Id<struct EventKind>;
using StreamId = Id<struct StreamKind>;

}  // namespace millrace

template <>
struct std::hash<millrace::Uuid> {
  std::size_t operator()(millrace::Uuid const& id) const noexcept {
    return static_cast<std::size_t>((id.high ^ (id.low * 0x9E3779B97F4A7C15U)) *
                                    0xBF58476D1CE4E5B9U);
  }
};
template <class Kind>
struct std::hash<millrace::Id<Kind>> {
  std::size_t operator()(millrace::Id<Kind> const& id) const noexcept {
    return std::hash<millrace::Uuid>()(id.uuid);
  }
};
