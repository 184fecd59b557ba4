#include "store/folder_state.h"

namespace millrace::store {

// ---- progress

io::Task<Result<std::vector<StreamState>>> FolderProgress::load(ShardId shard) {
  check(shard == ShardId{}, "a folder has one shard");
  co_return co_await io::offload(worker_, [this] { return state_.load_streams(); });
}

io::Task<Result<std::vector<Saved>>> FolderProgress::save(ShardId shard, std::uint64_t epoch,
                                                          std::vector<StreamDelta> deltas) {
  check(shard == ShardId{}, "a folder has one shard");
  co_return co_await io::offload(worker_, [this, epoch, deltas = std::move(deltas)] {
    return state_.checkpoint(epoch, deltas, writer_.stored_next());
  });
}

io::Task<Result<std::uint64_t>> FolderProgress::keep(std::vector<StreamId> known) {
  co_return co_await io::offload(
      worker_, [this, known = std::move(known)] { return state_.keep_streams(known); });
}

io::Task<Result<Page<Undelivered>>> FolderProgress::undelivered(StreamId stream, std::string after,
                                                                PageLimits limits,
                                                                Payloads payloads) {
  co_return co_await io::offload(worker_,
                                 [this, stream, after = std::move(after), limits, payloads] {
                                   return state_.undelivered(stream, after, limits, payloads);
                                 });
}

io::Task<Result<std::uint64_t>> FolderProgress::undelivered_count(StreamId stream) {
  co_return co_await io::offload(worker_,
                                 [this, stream] { return state_.undelivered_count(stream); });
}

io::Task<Result<std::vector<LedgerMinute>>> FolderProgress::ledger(StreamId stream,
                                                                   std::int64_t from_minute,
                                                                   std::int64_t to_minute) {
  co_return co_await io::offload(worker_, [this, stream, from_minute, to_minute] {
    return state_.ledger(stream, from_minute, to_minute);
  });
}

// ---- records

io::Task<Result<std::uint64_t>> FolderRecords::change(std::vector<RecordChange> changes) {
  co_return co_await io::offload(
      worker_, [this, changes = std::move(changes)] { return state_.change(changes); });
}

io::Task<Result<std::shared_ptr<void>>> FolderRecords::follow(
    std::string collection, std::uint64_t since, io::Executor loop,
    std::function<void(SharedChange)> tell) {
  co_return co_await io::offload(
      worker_, [this, collection = std::move(collection), since, loop = std::move(loop),
                tell = std::move(tell)]() mutable {
        return state_.follow(collection, since, loop, std::move(tell));
      });
}

io::Task<Result<Record>> FolderRecords::find(std::string collection, std::string id) {
  co_return co_await io::offload(worker_,
                                 [this, collection = std::move(collection), id = std::move(id)] {
                                   return state_.record(collection, id);
                                 });
}

io::Task<Result<std::vector<Record>>> FolderRecords::list(std::string collection) {
  co_return co_await io::offload(
      worker_, [this, collection = std::move(collection)] { return state_.records(collection); });
}

io::Task<Result<Page<Record>>> FolderRecords::newest(std::string collection, std::string after,
                                                     PageLimits limits) {
  co_return co_await io::offload(
      worker_, [this, collection = std::move(collection), after = std::move(after), limits] {
        return state_.newest_records(collection, after, limits);
      });
}

// ---- dead letters

io::Task<Result<void>> FolderDeadLetters::add(std::vector<DeadLetter> letters) {
  co_return co_await io::offload(worker_, [this, letters = std::move(letters)]() mutable {
    return state_.add_dead_letters(std::move(letters));
  });
}

io::Task<Result<Page<DeadLetter>>> FolderDeadLetters::list(std::string after, PageLimits limits) {
  co_return co_await io::offload(worker_, [this, after = std::move(after), limits] {
    return state_.dead_letters(after, limits);
  });
}

io::Task<Result<DeadLetter>> FolderDeadLetters::find(std::string id) {
  co_return co_await io::offload(worker_,
                                 [this, id = std::move(id)] { return state_.dead_letter(id); });
}

io::Task<Result<std::vector<DroppedLetters>>> FolderDeadLetters::dropped() {
  co_return co_await io::offload(worker_, [this] { return state_.dropped_letters(); });
}

// ---- leases

io::Task<Result<Lease>> FolderLeases::take(ShardId shard) {
  check(shard == ShardId{}, "a folder has one shard");
  co_return Lease{shard, state_.epoch()};
}
io::Task<Result<void>> FolderLeases::renew(Lease lease) {
  check(lease.epoch <= state_.epoch(), "an epoch was given out before it is used");
  if (lease.epoch < state_.epoch())
    co_return fail(Fault::fenced, "lease: the shard has a newer owner");
  co_return Result<void>();
}
io::Task<Result<void>> FolderLeases::release(Lease /*lease*/) { co_return Result<void>(); }

}  // namespace millrace::store
