#include "api/context.h"

#include "api/problem.h"

namespace millrace::api {
namespace {

constexpr std::uint64_t most_batches = 20'000;
constexpr std::size_t headers_at_once = 1000;
constexpr std::size_t most_kinds = 20'000;

void count(Census& census, store::BatchSummary const& batch) {
  if (!census.since) census.since = batch.accepted_at;
  for (auto const& [kind, events] : batch.kinds) {
    auto const at = census.kinds.find(kind);
    if (at != census.kinds.end()) {
      at->second += events;
    } else if (census.kinds.size() < most_kinds) {
      census.kinds.emplace(kind, events);
    } else {
      census.cut = true;
    }
  }
  census.next = batch.number + 1;
}

}  // namespace

io::Task<Result<Census>> take_census(Context& context) {
  auto const turn = co_await context.turns.take("census");
  auto census = context.census.with([](Census const& held) { return held; });
  auto const range = context.parts.store.range();
  auto const first = range.next > most_batches ? range.next - most_batches : 1;
  census.next = std::max({census.next, census.next == 0 ? first : 1, range.oldest});
  while (census.next < range.next) {
    auto const batches = co_await context.parts.store.summaries(census.next, headers_at_once);
    if (!batches) co_return pass(batches);
    if (batches->empty()) break;
    for (auto const& batch : *batches) count(census, batch);
  }
  context.census.with([&](Census& held) { held = census; });
  co_return census;
}

http::ServerResponse failed(Context& context, std::string_view doing, Error const& error) {
  if (status_of(error.fault) == 500)
    context.parts.log.error("api call failed",
                            {{"doing", std::string(doing)}, {"why", error.what}});
  return problem(error);
}

}  // namespace millrace::api
