// What handlers work with. One for each Api; shared by all loops.
#pragma once
#include <map>
#include <string>

#include "api/api.h"
#include "api/turns.h"

namespace millrace::api {

// How many events of which kind the log has, as far as it was counted.
struct Census {
  std::map<model::Kind, std::uint64_t> kinds;
  std::optional<WallTime>
      since;               // acceptance of the oldest that was counted; none: nothing is in the log
  std::uint64_t next = 0;  // first batch that is not counted yet; 0: nothing was
  bool cut = false;        // there were more kinds than are kept
};

struct Context {
  ApiParts parts;
  Turns turns;
  io::Locked<Census> census;
};

// Counts what has come since the last call, from the headers of batches: at most the newest 20,000 of them. Fails with: io, corrupt.
io::Task<Result<Census>> take_census(Context& context);

// A failure that a handler answers: logged here when it is ours.
http::ServerResponse failed(Context& context, std::string_view doing, Error const& error);

}  // namespace millrace::api
