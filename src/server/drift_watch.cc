#include "server/drift_watch.h"

#include <algorithm>
#include <vector>

namespace millrace::server {

void DriftWatch::accepted(store::RecordBatch const& batch) {
  auto const now = clock_.now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    left_ = looks_a_second;
  }
  auto const& events = batch.events;
  auto const looks = std::min({left_, looks_a_batch, events.size()});
  left_ -= looks;
  drift_.with([&](model::Drift& drift) {
    std::vector<char> told(events.kinds().size(), 0);
    std::size_t untold = told.size();
    for (std::uint32_t i = 0; i < events.size() && untold > 0; ++i) {
      auto const kind = events.rows()[i].kind;
      if (told[kind] != 0) continue;
      told[kind] = 1;
      --untold;
      auto const& [of, count] = events.kinds()[kind];
      drift.saw_events(of, count, batch.id_of(i), batch.accepted_at);
    }
    for (std::size_t i = 0; i < looks; ++i) {  // spread over the batch
      auto const at = static_cast<std::uint32_t>(i * events.size() / looks);
      auto const event = events[at];
      drift.saw_fields(events.kinds()[event.kind].kind, event, batch.id_of(at), batch.accepted_at);
    }
  });
}

}  // namespace millrace::server
