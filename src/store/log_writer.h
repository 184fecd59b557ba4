// The one writer of the event log: takes what was queued and makes it one commit, again and again, without a timer.
//   Threads  submit(), follow(), range() from any; all else on the commit thread, which open() does not yet need.
#pragma once
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/shared.h"
#include "io/worker.h"
#include "log/recovery.h"
#include "log/segment_writer.h"
#include "store/batch_memory.h"
#include "store/disk_space.h"
#include "store/repeat_memory.h"
#include "store/segment_source.h"
#include "store/segments.h"
#include "store/witness.h"

namespace millrace::store {

class LogWriter {
 public:
  struct Job {
    model::EventBlock events;
    std::optional<RepeatKey> repeat;
    io::Resolver<Result<Appended>> done;
    std::size_t bytes = 0;
  };

  LogWriter(Folder& folder, Segments& segments, BatchMemory& memory, DiskSpace& space);
  ~LogWriter();

  // What the newest commit that can be read says of state.db: which of its changes and commits were stored before. Before open().
  Result<LogMark> newest_mark();
  // Finds the head. `known_next`: a number that the head had reached (state.db remembers it); a log that ends before it is damaged.
  Result<void> open(std::uint64_t known_next);

  void submit(Job job);
  std::shared_ptr<void> follow(io::Executor loop, std::function<void(SharedBatch)> batch);
  LogRange range() const;
  // As range().next, and 0 while that is a step that no file knows yet: nobody may remember it.
  std::uint64_t stored_next() const { return gap_from_ == 0 ? range().next : 0; }
  std::uint64_t gap_from() const {
    return gap_from_;
  }  // where such a step begins; 0: there is none
  std::string refuses();  // as Store::refuses()
  void oldest_is(std::uint64_t batch) { oldest_.store(batch); }
  // Begins a new segment when the newest holds anything, so that retention can have it.
  void roll_soon();
  void close(io::Resolver<Result<void>> done);

 private:
  struct Follower {
    io::Executor loop;
    std::function<void(SharedBatch)> batch;
  };
  struct Queue {
    std::deque<Job> jobs;
    std::size_t bytes = 0;
    bool running = false;  // a round is posted or at work
  };
  struct Failing {  // the latest commit did not succeed
    std::string why;
    SteadyTime tried{};
  };
  struct Staged;   // one commit in the making
  struct Loaded {  // repeat keys, the newest first
    RepeatHarvest harvest;
    bool enough = false;
  };
  struct Head {  // as the files say it
    std::uint64_t next = 1;
    bool damaged = false;
  };

  void rounds();
  std::vector<Job> take();
  void commit(std::vector<Job> jobs);
  void stage(Staged& staged, std::vector<Job>& jobs);
  void close_batch(Staged& staged);
  Result<void> write(Staged const& staged);
  void publish(Staged& staged);
  void note_outcome(Result<void> const& written);
  Result<void> write_nothing();
  Result<void> ensure_active();
  void after_commit();
  void roll();
  WallTime accepted_now();
  void remember(SharedRepeat repeat);
  Result<void> load_repeats();
  Result<void> load_repeats_of(Segment const& segment, Loaded& loaded);
  Result<Head> find_head(std::uint64_t known_next);
  Result<bool> look_at(Segment const& segment, std::uint64_t known_next, Head& head);
  Result<bool> look_at_frames(Segment const& segment, std::uint64_t known_next, Head& head);
  Result<bool> look_at_old(Segment const& segment, Head& head);
  void look_whether_sealed(Segment const& segment);
  void tell(Segment const& segment, log::Recovered const& found);
  void step_over(std::uint64_t from, std::uint64_t known_next);
  Result<void> append(log::Commit const& commit);
  bool holds_frames(std::uint64_t first) const;
  void note_end_of(std::uint64_t first);
  void leave_active();
  void remove_old(Segment const& segment);
  log::Commit commit_of(Staged const& staged) const;
  log::FileHeader next_header() const;
  void seal_later(Segment const& segment, std::unique_ptr<log::SegmentWriter> writer);
  void seal(Segment const& segment, log::SegmentWriter* writer);

  Folder& folder_;
  Segments& segments_;
  BatchMemory& memory_;
  DiskSpace& space_;

  std::atomic<std::uint64_t> oldest_{1};
  std::atomic<std::uint64_t> next_{1};
  std::atomic<std::uint64_t> gap_from_{
      0};  // numbers from here to next_ never were; 0: no such gap, or a file says it
  io::Locked<Queue> queue_;
  io::Locked<std::optional<Failing>> failing_;
  io::Locked<std::vector<std::weak_ptr<Follower const>>> followers_;

  // The commit thread's own.
  log::Disk disk_;
  std::unique_ptr<log::SegmentWriter> active_;
  std::uint64_t active_first_ = 0;
  std::uint64_t active_rows_ = 0;
  WallTime active_since_{};
  std::uint64_t never_from_ = 0;        // as the next segment is to say it
  log::FileHeader::Previous previous_;  // the segment before the next one
  std::uint64_t last_commit_ = 0;       // of `previous_`
  bool roll_wanted_ = false;
  SteadyTime roll_again_{};  // after a failure
  WallTime last_accepted_{};
  RepeatMemory repeats_;

  // Last: their threads use all of the above, and end first.
  std::unique_ptr<io::Worker> sealer_;
  std::unique_ptr<io::Worker> committer_;
};

}  // namespace millrace::store
