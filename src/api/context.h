// What handlers work with. One for each Api; shared by all loops.
#pragma once
#include <map>
#include <string>

#include "api/api.h"
#include "api/seats.h"
#include "base/shares.h"
#include "control/turns.h"

namespace millrace::api {

// How many events of which kind the log has, as far as it was counted. What is not in the catalogue has bounds: an account that sends more
// made-up types than it has room for has those counted without their names, and no other account's.
struct Census {
  std::map<model::Kind, std::uint64_t> kinds;
  Shares made_up;  // kinds that the catalogue does not name, by account
  std::map<std::string, std::uint64_t> unnamed;  // events of further kinds, by account
  std::uint64_t uncounted = 0;                   // events of accounts for which there was no room
  std::optional<WallTime>
      since;               // acceptance of the oldest that was counted; none: nothing is in the log
  std::uint64_t next = 0;  // first batch that is not counted yet; 0: nothing was

  // Pure.
  void count(model::KindCount const& kind, model::Catalog const& catalog);
};

struct CensusLimits {
  static constexpr std::size_t kinds = 100'000;         // in all
  static constexpr std::size_t made_up = 20'000;        // of all accounts
  static constexpr std::size_t made_up_of_one = 2'000;  // of one
  static constexpr std::size_t accounts = 20'000;       // with events that are not named
};

struct Context {
  ApiParts parts;
  control::Turns turns{};
  Seats seats{};
  io::Shared<Census> census{Census()};
};

// Counts what has come since the last call, from the headers of batches: at most the newest 20,000 of them. Fails with: io, corrupt.
io::Task<Result<std::shared_ptr<Census const>>> take_census(Context& context);

// A failure that a handler answers: logged here when it is ours.
http::ServerResponse failed(Context& context, std::string_view doing, Error const& error);

}  // namespace millrace::api
