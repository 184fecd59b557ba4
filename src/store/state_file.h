// state.db: what must be remembered beside the log. One thread's: the state worker's.
//   A checkpoint is one row of `journal`. What the rows say is also held in memory, and is folded into rows of streams when the
//   journal has grown, so that a start reads those and a short journal.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/shares.h"
#include "store/database.h"
#include "store/disk_space.h"
#include "store/folder.h"
#include "store/state_guard.h"

namespace millrace::store {

class StateFile {
 public:
  StateFile(Folder& folder, DiskSpace& space) : folder_(folder), space_(space), guard_(folder) {}

  // Fails with: missing, conflict, corrupt (less state than there must have been: StateGuard), invalid (a newer version), busy, io.
  // `log`: what the event log says that was stored here.
  Result<void> open(LogMark const& log = {});
  Result<void> close(std::uint64_t log_next);
  std::uint64_t known_next() const { return known_next_; }  // how far the log had come, at least
  std::optional<WallTime> stored_time() const {
    return stored_time_;
  }  // trusted, when it was written last

  Result<std::vector<StreamState>> load_streams();
  // Counts the starts on this folder; stored with whatever is stored first. Any thread, after open().
  std::uint64_t epoch() const { return epoch_; }
  Result<void> remember();  // what the Folder says of other files
  // `log_next`: how far the log has come. Fails with: fenced, busy, io.
  Result<std::vector<Saved>> checkpoint(std::uint64_t epoch, std::vector<StreamDelta> const& deltas,
                                        std::uint64_t log_next);
  Result<std::uint64_t> undelivered_count(StreamId stream);
  Result<Page<Undelivered>> undelivered(StreamId stream, std::string const& after,
                                        PageLimits limits, Payloads payloads);
  Result<std::vector<LedgerMinute>> ledger(StreamId stream, std::int64_t from, std::int64_t to);
  Result<std::uint64_t> keep_streams(std::vector<StreamId> const& known);
  // Removes a bounded part of what is too old. True: there is more.
  Result<bool> retain(WallTime now);
  std::uint64_t work() const { return database_->work(); }  // done so far, as Database::work()

  Result<std::uint64_t> change(std::vector<RecordChange> const& changes);
  Result<Record> record(std::string const& collection, std::string const& id);
  Result<std::vector<Record>> records(std::string const& collection);
  Result<std::shared_ptr<void>> follow(std::string const& collection, std::uint64_t since,
                                       io::Executor const& loop,
                                       std::function<void(SharedChange)> tell);
  Result<Page<Record>> newest_records(std::string const& collection, std::string const& after,
                                      PageLimits limits);
  Result<void> add_dead_letters(std::vector<DeadLetter> letters);
  Result<std::vector<DroppedLetters>> dropped_letters();
  Result<Page<DeadLetter>> dead_letters(std::string const& after, PageLimits limits);
  Result<DeadLetter> dead_letter(std::string const& id);

 private:
  struct Pending {         // of one stream: what the journal says and its rows do not yet
    bool removed = false;  // before the rest
    bool alive = false;
    StreamProgress progress;
    std::map<Work, std::optional<Retry>> retries;  // nullopt: ended
    std::map<std::int64_t, LedgerMinute> ledger;
  };

  struct Follower {
    std::string collection;
    io::Executor loop;
    std::function<void(SharedChange)> tell;
  };

  struct LetterShares {  // of dead letters, by owner
    Shares count, bytes;
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
  // The same for what somebody is answered: it is counted, and the witness of the count follows.
  enum class Counted : std::uint8_t { progress, records };
  template <class Work>
  Result<void> commit_counted(Counted what, Work const& work) {
    auto next = mark_;
    ++next.commits;
    if (what == Counted::records) ++next.changes;
    auto done = commit([&]() -> Result<void> {
      if (auto worked = work(); !worked) return worked;
      return put_mark(next);
    });
    if (!done) return done;
    counted(next, what == Counted::records);
    return {};
  }
  void counted(StateMark const& mark, bool durable) {
    mark_ = mark;
    folder_.commits = mark_.commits;
    guard_.committed(mark_, durable);
  }
  // Runs what opens the file, once more with the reserve's blocks when the disk is full.
  template <class Work>
  Result<void> with_reserve(Work const& work) {
    auto done = work();
    if (done || done.error().fault != Fault::busy || !space_.release_reserve()) return done;
    return work();
  }
  Result<void> open_database(bool wal_rest);
  Result<bool> check_wal();
  Result<void> check_last_page();
  Result<void> read_all();
  Result<void> read_marks();
  Result<void> read_journal_marks();
  Result<void> read_journal();
  Result<void> put_mark(StateMark const& mark);
  WallTime kept_from(WallTime failed_at) const;
  void apply(StreamDelta const& delta);
  static void lay_over(std::map<StreamId, StreamState>& found, StreamId stream,
                       Pending const& pending);
  Result<void> put_journal(StateMark const& mark, std::string const& row);
  Result<void> write_checkpoint(std::vector<StreamDelta> const& deltas);
  Result<void> fold();
  Result<void> write_folded();
  Result<void> fold_stream(std::string const& key, Pending const& pending);
  // Answers the new version; 0: removed.
  Result<std::uint64_t> change_one(RecordChange const& change, std::uint64_t number);
  void tell(std::vector<RecordChange> const& changes, std::vector<std::uint64_t> const& versions);
  Result<std::uint64_t> delete_slice(std::string_view sql, std::int64_t before);
  Result<std::uint64_t> delete_all_of(std::string_view sql, std::string const& key);
  Result<std::set<std::string>> streams_with_rows();
  Result<void> load_letters();
  Result<void> put_letter(DeadLetter const& letter);
  Result<void> drop_oldest_letter(std::string const& owner, LetterShares& held,
                                  std::map<std::string, std::uint64_t>& dropped);
  Result<void> count_dropped(std::map<std::string, std::uint64_t> const& dropped);
  Result<void> remember_head(std::uint64_t log_next);
  Result<void> run(std::string_view sql, std::string_view key);

  Folder& folder_;
  DiskSpace& space_;
  StateGuard guard_;
  StateMark mark_;
  std::unique_ptr<Database> database_;
  std::map<StreamId, Pending> pending_;
  std::uint64_t journal_bytes_ = 0;
  std::uint64_t journal_rows_ = 0;
  std::uint64_t known_next_ = 0;
  std::uint64_t epoch_ = 1;
  std::optional<WallTime> stored_time_;
  LetterShares letters_;  // as they are on disk
  std::vector<std::weak_ptr<Follower const>> followers_;
};

}  // namespace millrace::store
