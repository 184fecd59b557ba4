#include "http_server/refusals.h"

#include <fmt/format.h>

namespace millrace::http::server {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

// "slow_body=3,stranger_share=120": what `now` has more than `before`.
std::string growth(Counts const& before, Counts const& now) {
  std::string text;
  for (auto const& [reason, count] : now) {
    auto const at = before.find(reason);
    auto const more = count - (at == before.end() ? 0 : at->second);
    if (more > 0) text += fmt::format("{}{}={}", text.empty() ? "" : ",", reason, more);
  }
  return text;
}

}  // namespace

io::Task<void> tell_refusals(std::function<RefusalCounts()> counts, io::Clock& clock, Log& log) {
  for (auto before = counts();;) {
    co_await clock.sleep_for(std::chrono::minutes(1));
    auto now = counts();
    auto const requests = growth(before.requests, now.requests);
    auto const connections = growth(before.connections, now.connections);
    if (!requests.empty() || !connections.empty())
      log.warning("requests were refused or connections closed in the last minute",
                  {{"requests", requests.empty() ? "none" : requests},
                   {"connections", connections.empty() ? "none" : connections}});
    before = std::move(now);
  }
}

}  // namespace millrace::http::server
