// All that must be remembered, in the parts that its users take: a user asks for the narrowest one.
//   Forms    open_folder() keeps it in files in a folder (store/README.md); testing/ has a memory form; PostgreSQL is later.
//   Life     The parts live as long as the store. After close() nothing of them may be called.
#pragma once
#include "io/trusted_time.h"
#include "store/attempts.h"
#include "store/dead_letters.h"
#include "store/event_log.h"
#include "store/leases.h"
#include "store/progress.h"
#include "store/records.h"

namespace millrace::store {

class Store {
 public:
  virtual ~Store() = default;
  virtual EventLog& events() = 0;
  virtual Progress& progress() = 0;
  virtual Records& records() = 0;
  virtual DeadLetters& dead_letters() = 0;
  virtual Attempts& attempts() = 0;
  virtual Leases& leases() = 0;

  // By which what is old is removed and what has an end ends; it begins with the last time that was stored. Any thread.
  virtual io::TrustedTime& time() = 0;
  // Removes what is too old: undelivered events, minutes of the ledger, attempts, lines of the audit log, and then what
  // EventLog::retain() does, whose answer it is. `now`: time().earliest().
  virtual io::Task<Result<LogRange>> retain(WallTime now) = 0;
  // Writes what is in memory and ends the store's threads. Nothing may be called after it.
  virtual io::Task<Result<void>> close() = 0;

  // ---- the parts' calls by the names that they had when the store was one interface
  io::Task<Result<Appended>> append(model::EventBlock block, std::optional<RepeatKey> repeat) {
    return events().append(std::move(block), std::move(repeat));
  }
  io::Task<Result<std::vector<SharedBatch>>> read(std::uint64_t first, ReadLimits limits) {
    return events().read(first, limits);
  }
  io::Task<Result<std::vector<BatchSummary>>> summaries(std::uint64_t first, std::size_t limit) {
    return events().summaries(first, limit);
  }
  io::Task<Result<std::uint64_t>> batch_at(WallTime when) { return events().batch_at(when); }
  io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> find(EventId event) {
    return events().find(event);
  }
  LogRange range() { return events().range(); }
  std::string refuses() { return events().refuses(); }
  std::shared_ptr<void> follow(io::Executor loop, std::function<void(SharedBatch)> batch) {
    return events().follow(std::move(loop), std::move(batch));
  }
  io::Task<Result<std::vector<BatchSummary>>> doomed(WallTime now) { return events().doomed(now); }
  io::Task<Result<std::vector<StreamState>>> load_streams() { return progress().load({}); }
  io::Task<Result<std::uint64_t>> keep_streams(std::vector<StreamId> known) {
    return progress().keep(std::move(known));
  }
  io::Task<Result<void>> checkpoint(std::vector<StreamDelta> deltas) {
    auto const lease = co_await leases().take({});
    if (!lease) co_return pass(lease);
    auto const saved = co_await progress().save({}, lease->epoch, std::move(deltas));
    if (!saved) co_return pass(saved);
    co_return Result<void>();
  }
  io::Task<Result<Page<Undelivered>>> undelivered(StreamId stream, std::string after,
                                                  PageLimits limits, Payloads payloads) {
    return progress().undelivered(stream, std::move(after), limits, payloads);
  }
  io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) {
    return progress().undelivered_count(stream);
  }
  io::Task<Result<std::vector<LedgerMinute>>> ledger(StreamId stream, std::int64_t from_minute,
                                                     std::int64_t to_minute) {
    return progress().ledger(stream, from_minute, to_minute);
  }
  io::Task<Result<void>> change(std::vector<RecordChange> changes) {
    auto const number = co_await records().change(std::move(changes));
    if (!number) co_return pass(number);
    co_return Result<void>();
  }
  io::Task<Result<std::vector<Record>>> records(std::string collection) {
    return records().list(std::move(collection));
  }
  io::Task<Result<Page<Record>>> newest_records(std::string collection, std::string after,
                                                PageLimits limits) {
    return records().newest(std::move(collection), std::move(after), limits);
  }
  io::Task<Result<void>> add_dead_letters(std::vector<DeadLetter> letters) {
    return dead_letters().add(std::move(letters));
  }
  io::Task<Result<std::vector<DroppedLetters>>> dropped_letters() {
    return dead_letters().dropped();
  }
  io::Task<Result<Page<DeadLetter>>> dead_letters(std::string after, PageLimits limits) {
    return dead_letters().list(std::move(after), limits);
  }
  io::Task<Result<DeadLetter>> dead_letter(std::string id) {
    return dead_letters().find(std::move(id));
  }
  void add_attempt(model::Attempt attempt) { attempts().add(std::move(attempt)); }
  io::Task<Result<Page<model::Attempt>>> attempts(AttemptQuery query) {
    return attempts().find(std::move(query));
  }
};

}  // namespace millrace::store
