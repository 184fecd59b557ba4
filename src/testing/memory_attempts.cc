#include "testing/memory_attempts.h"

#include <algorithm>
#include <charconv>

namespace millrace::testing {

using namespace store;

namespace {

constexpr std::size_t attempts_a_block = 100;  // as if they stood in blocks

std::size_t size_of(model::Attempt const& attempt) {
  return 160 + attempt.event_type.size() + attempt.address.size() + attempt.reason.size() +
         attempt.response_headers.size() + attempt.response_body.size();
}

}  // namespace

void MemoryAttempts::add(model::Attempt attempt) {
  check(attempt.number >= 1 && attempt.number <= 4,
        "an attempt is the first to the fourth of its run");
  with([&](std::vector<model::Attempt>& s) { s.push_back(std::move(attempt)); });
}

io::Task<Result<Page<model::Attempt>>> MemoryAttempts::find(AttemptQuery query) {
  check_limits({query.limit, query.most_bytes});
  check(query.most_blocks >= 1, "a search reads a block at least");
  co_await turn();
  co_return with([&](std::vector<model::Attempt>& s) -> Result<Page<model::Attempt>> {
    auto const fits = [&](model::Attempt const& attempt) {
      using model::AttemptOutcome;
      if (!query.any_stream && attempt.stream != query.stream) return false;
      if (query.outcome && (*query.outcome == AttemptOutcome::delivered) !=
                               (attempt.outcome == AttemptOutcome::delivered))
        return false;
      if (query.event_type && *query.event_type != attempt.event_type) return false;
      if (query.event && *query.event != attempt.event) return false;
      return !query.since || attempt.at >= *query.since;
    };
    std::size_t end = s.size();
    if (!query.after.empty()) {
      auto const [rest, error] =
          std::from_chars(query.after.data(), query.after.data() + query.after.size(), end);
      if (error != std::errc() || end > s.size())
        return fail(Fault::invalid, "cursor: is not one of this list");
    }
    Page<model::Attempt> page;
    std::size_t bytes = 0;
    auto const last = end - std::min(end, query.most_blocks * attempts_a_block);
    while (end > last) {
      auto const& attempt = s[end - 1];
      if (fits(attempt) &&
          !take(page, bytes, size_of(attempt), attempt, {query.limit, query.most_bytes}))
        break;
      --end;
    }
    if (end > 0) page.next = std::to_string(end);
    return page;
  });
}

}  // namespace millrace::testing
