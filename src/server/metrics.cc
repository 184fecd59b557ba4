#include "server/metrics.h"

namespace millrace::server {
namespace {

// `value` as a label: itself while it is known or there is room to know it.
std::string known_or_other(std::set<std::string>& known, std::string const& value,
                           std::size_t limit) {
  if (known.contains(value)) return value;
  if (known.size() >= limit) return "other";
  known.insert(value);
  return value;
}

}  // namespace

std::pair<std::string, std::string> Metrics::label_of(Accepted& accepted,
                                                      model::Kind const& kind) const {
  bool const is_named = parts_.is_named && parts_.is_named(kind.account);
  auto account =
      is_named ? kind.account : known_or_other(accepted.unnamed, kind.account, max_accounts);
  if (parts_.catalog != nullptr && parts_.catalog->find(kind.type) != nullptr)
    return {std::move(account), kind.type};
  auto type = known_or_other(accepted.made_up[account], kind.type, max_made_up_types);
  return {std::move(account), std::move(type)};
}

void Metrics::accepted(store::RecordBatch const& batch) {
  accepted_.with([&](Accepted& accepted) {
    for (auto const& [kind, events] : batch.events.kinds()) {
      auto key = label_of(accepted, kind);
      if (key.first != kind.account || key.second != kind.type) accepted.as_other += events;
      accepted.counts[std::move(key)] += events;
      accepted.total += events;
    }
  });
}

std::uint64_t Metrics::accepted_events() const {
  return accepted_.with([](Accepted const& accepted) { return accepted.total; });
}

std::vector<Metrics::AcceptedRow> Metrics::accepted_after(AcceptedKey const& after,
                                                          std::size_t most) const {
  return accepted_.with([&](Accepted const& accepted) {
    std::vector<AcceptedRow> rows;
    for (auto at = accepted.counts.upper_bound(after);
         at != accepted.counts.end() && rows.size() < most; ++at)
      rows.push_back(*at);
    return rows;
  });
}

std::uint64_t Metrics::counted_as_other() const {
  return accepted_.with([](Accepted const& accepted) { return accepted.as_other; });
}

}  // namespace millrace::server
