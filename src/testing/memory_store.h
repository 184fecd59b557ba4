// store::Store in memory: for tests of everything above the store. Nothing survives it.
//   Threads  Any loop may call; a Task resumes on the loop that called, never within the call (as with the real one).
//   Strict   A misuse that a real store might let pass ends the process: empty appends, events that are not JSON objects in shape,
//            settled positions at or below the cursor, a retry that is put and ended at once, any call after close().
//   Takeover A second MemoryStore on the world of an earlier one is the next start of the same node: what the earlier one still sends
//            is refused as fenced, though it may go on to read.
//   Time     Comes from the Clock: acceptance times never go back, repeat keys end when their time is over.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "io/clock.h"
#include "store/store.h"
#include "testing/memory_attempts.h"
#include "testing/memory_letters.h"
#include "testing/memory_log.h"
#include "testing/memory_progress.h"
#include "testing/memory_records.h"

namespace millrace::testing {

class MemoryLeases final : public store::Leases {  // one shard
 public:
  explicit MemoryLeases(MemoryStart const& start) : start_(start) {}
  std::uint32_t shards() const override { return 1; }
  io::Task<Result<store::Lease>> take(store::ShardId shard) override;
  io::Task<Result<void>> renew(store::Lease lease) override;
  io::Task<Result<void>> release(store::Lease lease) override;

 private:
  MemoryStart const& start_;
};

class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(io::Clock const& clock, MemoryStoreSettings settings = {});
  // The next start on what `earlier` holds, with the same settings. The earlier one may end first, or go on.
  MemoryStore(MemoryStore& earlier, io::Clock const& clock);
  ~MemoryStore() override;

  // ---- trouble on order (any thread)
  void busy_appends(
      std::size_t count);  // the next `count` appends fail with busy and store nothing
  void fail_appends(std::size_t count, Error error);  // the same with an error of choice
  void lose_answers(std::size_t count,
                    Error error);  // the next `count` appends store, and fail all the same
  void fail_checkpoints(std::size_t count, Error error);
  void lose_checkpoints(std::size_t count, Error error);  // stored, and fail all the same
  void fail_changes(std::size_t count, Error error);
  void lose_changes(std::size_t count, Error error);  // stored and told to followers, and fail
  void fail_dead_letters(std::size_t count, Error error);
  void fail_reads(std::size_t count, Error error);  // read() and summaries()
  void damage(std::uint64_t batch);  // read() leaves it out from now on, as with a flipped bit
  // Appends wait from now on, and go on, in order, when released (on any thread).
  void hold_appends();
  void release_appends();

  // ---- what happened (any thread)
  std::vector<store::SharedBatch> log() const;     // oldest first
  std::vector<std::string> payloads() const;       // of all events, in order
  std::size_t appends() const;                     // calls, with those that failed
  std::size_t checkpoints() const;                 // calls that succeeded
  std::vector<store::DeadLetter> letters() const;  // oldest first
  std::vector<model::Attempt> tried() const;       // oldest first
  std::uint64_t epoch() const { return start_.epoch; }

  // ---- store::Store
  store::EventLog& events() override { return log_; }
  store::Progress& progress() override { return progress_; }
  store::Records& records() override { return records_; }
  store::DeadLetters& dead_letters() override { return letters_; }
  store::Attempts& attempts() override { return attempts_; }
  store::Leases& leases() override { return leases_; }
  io::TrustedTime& time() override { return time_; }
  io::Task<Result<store::LogRange>> retain(WallTime now) override;
  io::Task<Result<void>> close() override;
  using Store::attempts;
  using Store::dead_letters;
  using Store::records;

 private:
  MemoryStore(io::Clock const& clock, MemoryStoreSettings settings, MemoryStart start);

  io::TrustedTime time_;
  MemoryStoreSettings settings_;
  MemoryStart start_;
  MemoryLog log_;
  MemoryProgress progress_;
  MemoryRecords records_;
  MemoryLetters letters_;
  MemoryAttempts attempts_;
  MemoryLeases leases_;
};

}  // namespace millrace::testing
