// store::Store in memory: for tests of everything above the store. Nothing survives it.
//   Threads  Any loop may call; a Task resumes on the loop that called, never within the call (as with the real one).
//   Strict   A misuse that a real store might let pass ends the process: empty appends, events that are not JSON objects in shape,
//            settled positions at or below the cursor, a retry that is put and ended at once, any call after close().
//   Time     Comes from the Clock: acceptance times never go back, repeat keys end when their time is over.
#pragma once
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "io/clock.h"
#include "io/shared.h"
#include "store/store.h"

namespace millrace::testing {

struct MemoryStoreSettings {
  std::size_t batch_bytes =
      256 * 1024;  // of payload; a larger append becomes several batches in a row
  Duration keep = std::chrono::hours(24 * 7);
  Duration keep_undelivered = std::chrono::hours(24 * 30);
  std::uint64_t keep_bytes = std::numeric_limits<std::uint64_t>::max();  // of payload
};

class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(io::Clock const& clock, MemoryStoreSettings settings = {});
  ~MemoryStore() override;

  // ---- trouble on order (any thread)
  void busy_appends(
      std::size_t count);  // the next `count` appends fail with busy and store nothing
  void fail_appends(std::size_t count, Error error);  // the same with an error of choice
  void lose_answers(std::size_t count,
                    Error error);  // the next `count` appends store, and fail all the same
  void fail_checkpoints(std::size_t count, Error error);
  void fail_changes(std::size_t count, Error error);
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

  // ---- store::Store
  io::TrustedTime& time() override { return time_; }
  io::Task<Result<store::Appended>> append(model::EventBlock events,
                                           std::optional<store::RepeatKey> repeat) override;
  io::Task<Result<std::vector<store::SharedBatch>>> read(std::uint64_t first,
                                                         store::ReadLimits limits) override;
  io::Task<Result<std::vector<store::BatchSummary>>> summaries(std::uint64_t first,
                                                               std::size_t limit) override;
  io::Task<Result<std::uint64_t>> batch_at(WallTime time) override;
  io::Task<Result<std::pair<store::SharedBatch, std::uint32_t>>> find(EventId event) override;
  store::LogRange range() const override;
  std::string refuses() override;  // nothing: it takes what it is not told to refuse
  std::shared_ptr<void> follow(io::Executor loop,
                               std::function<void(store::SharedBatch)> batch) override;
  io::Task<Result<std::vector<store::BatchSummary>>> doomed(WallTime now) override;
  io::Task<Result<store::LogRange>> retain(WallTime now) override;
  io::Task<Result<std::vector<store::StreamState>>> load_streams() override;
  io::Task<Result<std::uint64_t>> keep_streams(std::vector<StreamId> known) override;
  io::Task<Result<void>> checkpoint(std::vector<store::StreamDelta> deltas) override;
  io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) override;
  io::Task<Result<store::Page<store::Undelivered>>> undelivered(StreamId stream, std::string after,
                                                                store::PageLimits limits,
                                                                store::Payloads payloads) override;
  // Minutes from `from_minute` up to, without, `to_minute`, by minute.
  io::Task<Result<std::vector<store::LedgerMinute>>> ledger(StreamId stream,
                                                            std::int64_t from_minute,
                                                            std::int64_t to_minute) override;
  io::Task<Result<void>> change(std::vector<store::RecordChange> changes) override;
  io::Task<Result<std::vector<store::Record>>> records(std::string collection) override;
  io::Task<Result<store::Page<store::Record>>> newest_records(std::string collection,
                                                              std::string after,
                                                              store::PageLimits limits) override;
  io::Task<Result<void>> add_dead_letters(std::vector<store::DeadLetter> letters) override;
  io::Task<Result<std::vector<store::DroppedLetters>>> dropped_letters() override;
  io::Task<Result<store::Page<store::DeadLetter>>> dead_letters(std::string after,
                                                                store::PageLimits limits) override;
  io::Task<Result<store::DeadLetter>> dead_letter(std::string id) override;
  void add_attempt(model::Attempt attempt) override;
  io::Task<Result<store::Page<model::Attempt>>> attempts(store::AttemptQuery query) override;
  io::Task<Result<void>> close() override;

 private:
  struct State;
  Result<store::Appended> commit(State& state, model::EventBlock events,
                                 std::optional<store::RepeatKey> repeat);

  io::Clock const& clock_;
  io::TrustedTime time_{clock_};
  MemoryStoreSettings settings_;
  std::unique_ptr<io::Locked<State>> state_;
};

}  // namespace millrace::testing
