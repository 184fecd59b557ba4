// What lives in state.db, as its users take it: each call is one job of the state worker.
#pragma once
#include "store/dead_letters.h"
#include "store/leases.h"
#include "store/log_writer.h"
#include "store/progress.h"
#include "store/records.h"
#include "store/state_file.h"

namespace millrace::store {

class FolderProgress final : public Progress {
 public:
  FolderProgress(StateFile& state, LogWriter& writer, io::Worker& worker)
      : state_(state), writer_(writer), worker_(worker) {}

  io::Task<Result<std::vector<StreamState>>> load(ShardId shard) override;
  io::Task<Result<std::vector<Saved>>> save(ShardId shard, std::uint64_t epoch,
                                            std::vector<StreamDelta> deltas) override;
  io::Task<Result<std::uint64_t>> keep(std::vector<StreamId> known) override;
  io::Task<Result<Page<Undelivered>>> undelivered(StreamId stream, std::string after,
                                                  PageLimits limits, Payloads payloads) override;
  io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) override;
  io::Task<Result<std::vector<LedgerMinute>>> ledger(StreamId stream, std::int64_t from_minute,
                                                     std::int64_t to_minute) override;

 private:
  StateFile& state_;
  LogWriter& writer_;
  io::Worker& worker_;
};

class FolderRecords final : public Records {
 public:
  FolderRecords(Folder const& folder, StateFile& state, io::Worker& worker)
      : folder_(folder), state_(state), worker_(worker) {}

  io::Task<Result<std::uint64_t>> change(std::vector<RecordChange> changes) override;
  std::uint64_t newest_change() const override { return folder_.changes; }
  io::Task<Result<std::shared_ptr<void>>> follow(std::string collection, std::uint64_t since,
                                                 io::Executor loop,
                                                 std::function<void(SharedChange)> tell) override;
  io::Task<Result<Record>> find(std::string collection, std::string id) override;
  io::Task<Result<std::vector<Record>>> list(std::string collection) override;
  io::Task<Result<Page<Record>>> newest(std::string collection, std::string after,
                                        PageLimits limits) override;

 private:
  Folder const& folder_;
  StateFile& state_;
  io::Worker& worker_;
};

class FolderDeadLetters final : public DeadLetters {
 public:
  FolderDeadLetters(StateFile& state, io::Worker& worker) : state_(state), worker_(worker) {}

  io::Task<Result<void>> add(std::vector<DeadLetter> letters) override;
  io::Task<Result<Page<DeadLetter>>> list(std::string after, PageLimits limits) override;
  io::Task<Result<DeadLetter>> find(std::string id) override;
  io::Task<Result<std::vector<DroppedLetters>>> dropped() override;

 private:
  StateFile& state_;
  io::Worker& worker_;
};

class FolderLeases final : public Leases {  // one shard, this process's
 public:
  explicit FolderLeases(StateFile const& state) : state_(state) {}
  std::uint32_t shards() const override { return 1; }
  io::Task<Result<Lease>> take(ShardId shard) override;
  io::Task<Result<void>> renew(Lease lease) override;
  io::Task<Result<void>> release(Lease lease) override;

 private:
  StateFile const& state_;
};

}  // namespace millrace::store
