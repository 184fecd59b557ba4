// Opens the store that lives in a folder of this machine.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/meters.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "io/worker.h"
#include "store/store.h"

namespace millrace::store {

struct StoreMeters {
  Counter events_stored, batches_stored, commits, repeats;
  Counter appends_refused;   // busy: queue full or disk nearly full
  Counter batches_damaged;   // left out of an answer because their bytes are not what was written
  Counter attempts_dropped;  // the queue of attempts was full, or the disk refused them
  Counter letters_dropped;   // dead letters that were let go for lack of room
  Counter repeats_dropped;   // repeat keys that were let go before their time, for lack of room
  Counter attempt_blocks_read;  // for people who looked at attempts
  Counter checkpoints;
  Histogram commit_time, checkpoint_time;
};

struct FolderSettings {
  std::string folder;  // made when absent

  std::uint64_t segment_bytes = 256ULL << 20;  // a log segment; the next begins when it is reached
  Duration segment_age = std::chrono::hours(12);  // or when its first batch is that old
  std::uint64_t batch_bytes =
      256ULL << 10;  // of payload in a batch; one larger event has a batch of its own
  std::uint64_t commit_bytes = 8ULL << 20;   // of payload in one commit
  std::uint64_t queued_bytes = 64ULL << 20;  // of payload waiting for a commit; more answers busy
  std::size_t queued_calls = 20'000;
  std::uint64_t tail_bytes = 64ULL << 20;   // newest batches kept in memory
  std::uint64_t cache_bytes = 64ULL << 20;  // older ones
  std::uint64_t repeat_bytes =
      64ULL << 20;  // repeat keys with their answers, in memory: past it the oldest are forgotten

  Duration log_age = std::chrono::hours(24 * 7);
  std::uint64_t log_bytes = 50'000'000'000;  // or 60 % of the disk, what is less
  Duration undelivered_age = std::chrono::hours(24 * 30);
  Duration audit_age = std::chrono::hours(24 * 400);
  Duration attempts_age = std::chrono::hours(24 * 7);
  std::uint64_t attempts_bytes = 5'000'000'000;
  std::uint64_t attempts_segment_bytes = 256ULL << 20;
  Duration attempts_segment_age = std::chrono::hours(24);
  std::uint64_t attempts_queued_bytes = 16ULL << 20;
  std::uint64_t attempts_block_bytes = 256ULL << 10;
  Duration attempts_wait = std::chrono::seconds(1);

  std::uint64_t least_free_bytes =
      1ULL << 30;  // below this, or 2 % of the disk (what is less), append() answers busy
  std::uint64_t reserve_bytes =
      64ULL << 20;  // given back to the disk when state.db finds it full; 0: none

  std::uint64_t journal_bytes =
      8ULL << 20;  // of checkpoints, before they are folded into rows of streams

  bool durable = true;  // false: nothing is synced. Only for a test that shows what is lost then
  bool ticker = true;   // false: nothing happens by itself after a time; for tests
  std::function<std::unique_ptr<io::Worker>(std::string name, int nice)> worker = io::thread_worker;
  // Called with one line when a sync failed. Must end the process; the usual one writes to stderr and ends it with status 70.
  std::function<void(std::string const&)> fatal;
  std::shared_ptr<StoreMeters> meters = std::make_shared<StoreMeters>();
};

// Blocks: call it before the loops run. What is passed by reference outlives the store.
// Fails with: conflict (another process has the folder), invalid (made by a newer version), corrupt (state.db cannot be read), busy
// (no space), io.
Result<std::unique_ptr<Store>> open_folder(FolderSettings settings, io::Files& files,
                                           io::Clock& clock, io::Random& random, Log& log);

}  // namespace millrace::store
