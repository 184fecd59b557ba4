#include "delivery/checkpointer.h"

#include <algorithm>

#include "delivery/on_loop.h"

namespace millrace::delivery {

using namespace std::chrono_literals;

Checkpointer::Checkpointer(io::Executor loop, store::Store& store, io::Clock& clock, Log& log,
                           Duration interval, std::vector<std::unique_ptr<Shard>>& shards)
    : loop_(loop),
      store_(store),
      clock_(clock),
      log_(log),
      interval_(interval),
      shards_(shards),
      changed_(loop),
      round_ended_(loop),
      tasks_(loop),
      pacing_(loop) {}

void Checkpointer::want() {
  if (wanted_.exchange(true)) return;
  io::asio::post(loop_, [this] { changed_.notify(); });
}

void Checkpointer::begin() { tasks_.start(run()); }

io::Task<void> Checkpointer::run() {
  while (!stopping_) {
    if (!wanted_ && !urgent_) {
      co_await changed_.wait();
      continue;
    }
    if (!urgent_) {
      // A nap that want() for an urgent one cuts short.
      pacing_.start(pace());
      co_await pacing_.join();
    }
    if (stopping_) break;
    co_await store_all(false);
  }
}

// Commits take at most a quarter of the time, whatever the disk does; but no checkpoint is later than a second by it.
io::Task<void> Checkpointer::pace() {
  co_await clock_.sleep_for(
      std::clamp<Duration>(took_ * 3, interval_, std::max<Duration>(interval_, 1s)));
}

io::Task<Result<void>> Checkpointer::store_all(bool last) {
  wanted_ = false;
  urgent_ = false;
  ++begun_;
  auto const began = clock_.now();
  std::vector<std::vector<store::StreamDelta>> parts;
  std::vector<store::StreamDelta> deltas;
  for (auto const& shard : shards_) {
    auto part = co_await on_loop(shard->loop(), shard->collect(last));
    deltas.insert(deltas.end(), part.begin(), part.end());
    parts.push_back(std::move(part));
  }
  Result<void> result;
  if (!deltas.empty()) result = co_await store_.checkpoint(std::move(deltas));
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (!parts[i].empty())
      co_await on_loop(shards_[i]->loop(),
                       shards_[i]->stored(std::move(parts[i]), result.has_value()));
  }
  took_ = clock_.now() - began;
  if (!result) {
    if (failed_++ == 0)
      log_.error("checkpoints fail, and are tried again each second",
                 {{"why", result.error().what}});
    took_ = 1s;  // not at once
    wanted_ = true;
  }
  if (result && failed_ > 0)
    log_.info("checkpoints are stored again", {{"failed", std::exchange(failed_, 0)}});
  last_ = result;
  ended_ = begun_;
  over_ = last;
  round_ended_.notify();
  co_return result;
}

io::Task<Result<void>> Checkpointer::flush() {
  auto const round = begun_ + 1;
  while (ended_ < round && !over_) {
    if (begun_ < round && !stopping_) {
      urgent_ = true;
      changed_.notify();
      pacing_.cancel();
    }
    co_await round_ended_.wait();
  }
  co_return last_;
}

io::Task<Result<void>> Checkpointer::stop() {
  stopping_ = true;
  changed_.notify();
  pacing_.cancel();
  co_await tasks_.join();
  co_return co_await store_all(true);
}

}  // namespace millrace::delivery
