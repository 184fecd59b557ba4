#include "delivery/filter.h"

#include <algorithm>

#include "base/error.h"

namespace millrace::delivery {

Filters::Filters(std::vector<store::FilterVersion> versions) : versions_(std::move(versions)) {
  check(!versions_.empty(), "a stream has a filter");
  for (auto& version : versions_) std::ranges::sort(version.event_types);
}

store::FilterVersion const& Filters::at(std::uint64_t batch) const {
  // From the newest back: it is nearly always that one.
  for (std::size_t i = versions_.size(); i-- > 1;)
    if (versions_[i].from_batch <= batch) return versions_[i];
  return versions_.front();
}

bool Filters::selects(store::FilterVersion const& version, model::Kind const& kind) {
  if (version.account != "*" && version.account != kind.account) return false;
  if (!version.event_types.empty() && version.event_types.front() == "*") return true;
  return std::ranges::binary_search(version.event_types, kind.type);
}

std::uint32_t Filters::count(std::uint64_t batch,
                             std::vector<model::KindCount> const& kinds) const {
  auto const& version = at(batch);
  std::uint32_t events = 0;
  for (auto const& kind : kinds)
    if (selects(version, kind.kind)) events += kind.events;
  return events;
}

void Filters::add(store::FilterVersion version) {
  std::ranges::sort(version.event_types);
  if (versions_.back().from_batch >= version.from_batch) {
    version.from_batch = versions_.back().from_batch;
    versions_.pop_back();
  }
  versions_.push_back(std::move(version));
}

void Filters::forget_before(std::uint64_t batch) {
  while (versions_.size() > 1 && versions_[1].from_batch <= batch)
    versions_.erase(versions_.begin());
}

}  // namespace millrace::delivery
