#include "server/retention.h"

#include <fmt/format.h>

namespace millrace::server {
namespace {

// One line when the clock is doubted, and one when it is believed again.
void tell_doubt(io::TrustedTime const& time, bool& doubted, Log& log) {
  bool const doubts = time.doubt().has_value();
  if (doubts == std::exchange(doubted, doubts)) return;
  if (doubts)
    log.warning("the clock is doubted: nothing is removed or ends by it",
                {{"why", doubt_of(time)}});
  else
    log.info("the clock is believed again");
}

}  // namespace

std::string doubt_of(io::TrustedTime const& time) {
  auto const doubt = time.doubt();
  if (!doubt) return {};
  auto const minutes = [](Duration span) {
    return std::chrono::duration_cast<std::chrono::minutes>(span).count();
  };
  return fmt::format(
      "the clock is {} min {} of where it should be by the machine's steady clock and the last "
      "stored time: what is removed or ends by it waits {} min more, or until the file "
      "accept-clock is made in the data folder",
      std::abs(minutes(doubt->ahead)), doubt->ahead > Duration() ? "ahead" : "behind",
      minutes(doubt->left));
}

io::Task<void> keep_retention(store::Store& store, io::Clock& clock, Log& log) {
  auto oldest = store.range().oldest;
  bool doubted = false;
  for (;;) {
    tell_doubt(store.time(), doubted, log);
    co_await clock.sleep_for(std::chrono::minutes(1));
    auto const left = co_await store.retain(store.time().earliest());
    if (!left) {
      log.error("retention failed; it is tried again in a minute", {{"reason", left.error().what}});
      continue;
    }
    if (left->oldest != oldest)
      log.info("old events removed", {{"oldest_batch", left->oldest}, {"log_bytes", left->bytes}});
    oldest = left->oldest;
  }
}

}  // namespace millrace::server
