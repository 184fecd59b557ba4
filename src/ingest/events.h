// The JSON door, POST /api/v1/events: events in any of the forms of events_body.h, with a producer's token.
//   Answer   200 {"accepted":N,"rejected":[{"index":I,"error":"…"}]}: each event stands for itself. `index` counts from 0, blank
//            lines left out. 422 with the same members, in a problem of the type none_accepted, where there were events and none was
//            taken. What makes the body as a whole unreadable is a 400, and nothing of it is stored.
//   Repeats  Idempotency-Key (1 to 255 characters, 24 h, scoped to the token): stored once, answered alike; with another body: 422,
//            a problem of the type key_reused.
//   Busy     The answer is held for a moment; then 503 with Retry-After.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/aside.h"
#include "ingest/expanded_memory.h"
#include "ingest/ingest.h"

namespace millrace::ingest {

struct EventsLimits {
  static constexpr std::size_t body_bytes = 14 * 1024 * 1024;
  static constexpr std::size_t events = 10'000;  // in a request
  static constexpr std::size_t idempotency_key = 255;
  static constexpr Duration hold =
      std::chrono::seconds(2);  // or the setting, where that is shorter
};

class Events {
 public:
  Events(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected,
         ExpandedMemory& expanded, Aside& aside);
  io::Task<http::ServerResponse> handle(http::ServerRequest request);

 private:
  std::expected<model::Principal, http::ServerResponse> authenticate(
      http::ServerRequest const& request) const;

  IngestParts const& parts_;
  IngestSettings const& settings_;
  RejectCounts& rejected_;
  ExpandedMemory& expanded_;
  Aside& aside_;
};

}  // namespace millrace::ingest
