// state.db: what must be remembered beside the log. One thread's: the state worker's.
//   A checkpoint is one row of `journal`. What the rows say is also held in memory, and is folded into rows of streams when the
//   journal has grown, so that a start reads those and a short journal.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/disk_space.h"
#include "store/folder.h"

namespace millrace::store {

class StateFile {
 public:
  StateFile(Folder& folder, DiskSpace& space) : folder_(folder), space_(space) {}

  Result<void> open();
  Result<void> close(std::uint64_t log_next);
  std::uint64_t known_next() const { return known_next_; }  // how far the log had come, at least

  Result<std::vector<StreamState>> load_streams();
  // `log_next`: how far the log has come.
  Result<void> checkpoint(std::vector<StreamDelta> const& deltas, std::uint64_t log_next);
  Result<Page<Undelivered>> undelivered(StreamId stream, std::string const& after,
                                        std::size_t limit);
  Result<std::vector<LedgerMinute>> ledger(StreamId stream, std::int64_t from, std::int64_t to);
  Result<void> retain(WallTime now);

  Result<void> change(std::vector<RecordChange> const& changes);
  Result<std::vector<Record>> records(std::string const& collection);
  Result<Page<Record>> newest_records(std::string const& collection, std::string const& after,
                                      std::size_t limit);
  Result<void> add_dead_letters(std::vector<DeadLetter> letters);
  Result<Page<DeadLetter>> dead_letters(std::string const& after, std::size_t limit);

 private:
  struct Pending {         // of one stream: what the journal says and its rows do not yet
    bool removed = false;  // before the rest
    bool alive = false;
    StreamProgress progress;
    std::map<Position, std::optional<Retry>> retries;  // nullopt: ended
    std::map<std::int64_t, LedgerMinute> ledger;
  };

  // Runs `work` in a transaction; once more, with the reserve's blocks, when the disk is full.
  template <class Work>
  Result<void> commit(Work const& work) {
    for (bool again = false;; again = true) {
      Transaction transaction(*database_);
      auto done = transaction.begin();
      if (done) done = work();
      if (done) done = transaction.commit();
      if (done || done.error().fault != Fault::busy || again || !space_.release_reserve())
        return done;
    }
  }
  void apply(StreamDelta const& delta);
  Result<void> write_checkpoint(std::vector<StreamDelta> const& deltas, std::string const& row);
  Result<void> fold();
  Result<void> write_folded();
  Result<void> fold_stream(std::string const& key, Pending const& pending);
  Result<void> change_one(RecordChange const& change);
  Result<void> remember_head(std::uint64_t log_next);
  Result<void> run(std::string_view sql, std::string_view key);

  Folder& folder_;
  DiskSpace& space_;
  std::unique_ptr<Database> database_;
  std::map<StreamId, Pending> pending_;
  std::uint64_t journal_bytes_ = 0;
  std::uint64_t journal_rows_ = 0;
  std::uint64_t known_next_ = 0;
  std::uint64_t letters_ = 0;
  std::uint64_t letter_bytes_ = 0;
};

}  // namespace millrace::store
