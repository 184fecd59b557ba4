// Stores what all lanes did, in one commit for all streams together: 100 ms after the first change, later when commits are slow.
//   Threads  Lives on one loop; want() may be called from any thread.
//   Fail     What cannot be stored is given back to its lanes and tried again; nobody waits for a disk that is full, but the answers
//            of flush() say so.
#pragma once
#include <atomic>
#include <vector>

#include "delivery/shard.h"

namespace millrace::delivery {

class Checkpointer {
 public:
  Checkpointer(io::Executor loop, store::Store& store, io::Clock& clock, Log& log,
               Duration interval, std::vector<std::unique_ptr<Shard>>& shards);

  io::Executor const& loop() const { return loop_; }
  void want();   // something changed
  void begin();  // on the loop
  // Waits for a checkpoint that begins now or later, without the usual wait; while it stops, for the last one, which has all that a
  // shard took. Fails as the store failed.
  io::Task<Result<void>> flush();
  // A last checkpoint of all lanes, then none.
  io::Task<Result<void>> stop();

 private:
  io::Task<void> run();
  io::Task<Result<void>> store_all(bool last);
  io::Task<void> pace();

  io::Executor loop_;
  store::Store& store_;
  io::Clock& clock_;
  Log& log_;
  Duration interval_;
  std::vector<std::unique_ptr<Shard>>& shards_;

  std::atomic<bool> wanted_{false};
  bool urgent_ = false;
  bool stopping_ = false;
  bool over_ = false;                    // the last round has ended
  std::uint64_t begun_ = 0, ended_ = 0;  // rounds
  Result<void> last_;
  Duration took_{};
  std::uint64_t failed_ = 0;  // in a row
  io::Signal changed_, round_ended_;
  io::TaskScope tasks_, pacing_;
};

}  // namespace millrace::delivery
