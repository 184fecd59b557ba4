#include "receive/commit_queue.h"

#include <optional>
#include <utility>

namespace millrace::receive {
namespace {

std::size_t weight(Received const& event) { return event.json.size() + 512; }

}  // namespace

io::Task<Result<Kept>> CommitQueue::put(Received event) {
  co_return co_await io::answer<Result<Kept>>(
      [this, event = std::move(event)](io::Resolver<Result<Kept>> done) mutable {
        enter(std::move(event), std::move(done));
      });
}

void CommitQueue::enter(Received event, io::Resolver<Result<Kept>> done) {
  std::optional<io::Resolver<Result<Kept>>> refused;
  bool start = false;
  state_.with([&](State& state) {
    if (state.bytes > limit_bytes_) {
      refused.emplace(std::move(done));
      return;
    }
    state.bytes += weight(event);
    state.queue.push_back({std::move(event), std::move(done)});
    start = !std::exchange(state.running, true);
  });
  if (refused) (*refused)(fail(Fault::busy, "too many events wait for the disk"));
  if (start) worker_.post([this] { run(); });
}

void CommitQueue::run() {
  for (;;) {
    auto batch = state_.with([](State& state) {
      if (state.queue.empty()) state.running = false;
      return std::exchange(state.queue, {});
    });
    if (batch.empty()) return;
    std::vector<Received> events;
    events.reserve(batch.size());
    std::size_t bytes = 0;
    for (auto& waiting : batch) {
      bytes += weight(waiting.event);
      events.push_back(std::move(waiting.event));
    }
    auto results = commit_(events);
    check(results.size() == batch.size(), "a commit answers for each event");
    state_.with([bytes](State& state) { state.bytes -= bytes; });
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].done(std::move(results[i]));
  }
}

}  // namespace millrace::receive
