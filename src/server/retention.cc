#include "server/retention.h"

namespace millrace::server {

io::Task<void> keep_retention(store::Store& store, io::Clock& clock, Log& log) {
  auto oldest = store.range().oldest;
  for (;;) {
    co_await clock.sleep_for(std::chrono::minutes(1));
    auto const left = co_await store.retain(clock.wall());
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
