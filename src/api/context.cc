#include "api/context.h"

#include "api/problem.h"

namespace millrace::api {
namespace {

constexpr std::uint64_t most_batches = 20'000;
constexpr std::size_t headers_at_once = 1000;

// Lets the account that has most made-up kinds go on without the name of its last.
void give_up_a_name(Census& census, model::Catalog const& catalog) {
  auto const account = census.made_up.largest();
  auto at = census.kinds.lower_bound({account + '\0', ""});
  do {
    --at;
  } while (catalog.find(at->first.type) != nullptr);
  census.unnamed[account] += at->second;
  census.kinds.erase(at);
  census.made_up.remove(account, 1);
}

}  // namespace

void Census::count(model::KindCount const& kind, model::Catalog const& catalog) {
  auto const at = kinds.find(kind.kind);
  if (at != kinds.end()) {
    at->second += kind.events;
    return;
  }
  auto const& account = kind.kind.account;
  bool const is_room = kinds.size() < CensusLimits::kinds;
  if (is_room && catalog.find(kind.kind.type) != nullptr) {
    kinds.emplace(kind.kind, kind.events);
  } else if (is_room && made_up.of(account) < CensusLimits::made_up_of_one &&
             !unnamed.contains(account)) {
    kinds.emplace(kind.kind, kind.events);
    made_up.add(account, 1);
    if (made_up.total() > CensusLimits::made_up) give_up_a_name(*this, catalog);
  } else if (unnamed.contains(account) || unnamed.size() < CensusLimits::accounts) {
    unnamed[account] += kind.events;
  } else {
    uncounted += kind.events;
  }
}

io::Task<Result<std::shared_ptr<Census const>>> take_census(Context& context) {
  auto const turn = co_await context.turns.take("census");
  auto held = context.census.get();
  auto const range = context.parts.store.range();
  if (held->next >= range.next) co_return held;
  auto census = *held;
  auto const first = range.next > most_batches ? range.next - most_batches : 1;
  census.next = std::max({census.next, census.next == 0 ? first : 1, range.oldest});
  while (census.next < range.next) {
    auto const batches = co_await context.parts.store.summaries(census.next, headers_at_once);
    if (!batches) co_return pass(batches);
    if (batches->empty()) break;
    for (auto const& batch : *batches) {
      if (!census.since) census.since = batch.accepted_at;
      for (auto const& kind : batch.kinds) census.count(kind, context.parts.catalog);
      census.next = batch.number + 1;
    }
  }
  context.census.set(std::move(census));
  co_return context.census.get();
}

http::ServerResponse failed(Context& context, std::string_view doing, Error const& error) {
  if (status_of(error.fault) == 500)
    context.parts.log.error("api call failed",
                            {{"doing", std::string(doing)}, {"why", error.what}});
  return problem(error);
}

}  // namespace millrace::api
