// Changes of data streams, by a person or by the service itself. The stored record is the truth: a change is made when its record and its
// audit line are stored, in one transaction, and nothing is undone. Then the lanes are told, and the answer waits for them, 5 s at most.
//   Batches  Each change takes the head of the log after its request came, and stores it in the record (model/desired_stream.h).
//   Races    Whoever reads a stream to change it holds its turn from before the read until the change has answered.
//   Threads  Any loop; `loop` is the one on which the lanes are waited for.
//   Fails    Every change: busy (the node stops, or too many edits wait to be applied: nothing was changed), conflict (it was made from
//            another version), missing, io.
#pragma once
#include <optional>
#include <string>

#include "base/log.h"
#include "control/lanes.h"
#include "control/registry.h"
#include "control/turns.h"
#include "io/clock.h"
#include "io/random.h"
#include "store/store.h"

namespace millrace::control {

struct StreamsParts {  // all outlive the Streams
  io::Executor loop;
  store::Store& store;
  Registry& registry;
  Lanes& lanes;
  io::Clock& clock;
  io::Random& random;
  Log& log;
};

// A change that is stored.
struct Changed {
  StreamPtr stream;               // as it was stored; of a deletion, as it was before
  bool applied = false;           // false: it is stored, and its lane does not work by it yet
  model::AppliedStream counts{};  // of what was applied
};

// Where an activation goes on.
struct ResumeFrom {
  enum class Kind : std::uint8_t { stop, now, time } kind = Kind::stop;  // stop: where it stopped
  WallTime time{};                                                       // of acceptance
};

class Streams {
 public:
  static constexpr Duration patience = std::chrono::seconds(5);

  explicit Streams(StreamsParts parts);

  io::Task<Turns::Turn> take_turn(StreamId id) { return turns_.take(id.text()); }

  // A new stream; its id is given here, and it gets what is accepted from now on.
  io::Task<Result<Changed>> add(model::DataStream stream, model::Principal by, std::string action,
                                std::optional<Repeat> repeat);
  // A copy that is deactivated, with " (copy)" behind its name.
  io::Task<Result<Changed>> duplicate(StreamPtr stream, model::Principal by,
                                      std::optional<Repeat> repeat);
  // `stream`: as it is to be, with the version that it was made from. What it selects holds for what is accepted from now on.
  io::Task<Result<Changed>> change(model::DataStream stream, model::Principal by);
  io::Task<Result<Changed>> deactivate(StreamPtr stream, model::StateReason reason,
                                       model::Principal by);
  io::Task<Result<Changed>> activate(StreamPtr stream, ResumeFrom from, model::Principal by);
  // The record becomes a tombstone, which goes when nothing of the stream is left.
  io::Task<Result<Changed>> erase(StreamPtr stream, model::Principal by);

  // Deletions that were not applied, by a former start or by trouble: they are told again. Those that are under way are left alone.
  io::Task<void> finish_deletions();
  io::Task<void> join();  // until no lane is waited for

 private:
  struct Telling;
  struct Ask {
    std::shared_ptr<void> permit;
    DesiredPtr desired;
    StreamPtr before;  // of a deletion
    model::Principal by;
    bool counts_skipped = false;
  };
  using Answer = io::Resolver<std::optional<model::AppliedStream>>;

  io::Task<Result<Changed>> store(model::DesiredStream desired, Ask ask, std::string action,
                                  std::optional<Repeat> repeat);
  io::Task<Changed> told(Ask ask, StreamPtr stream);
  io::Task<void> tell(Ask ask, Answer answer);
  io::Task<void> give_up(std::shared_ptr<Telling> telling);
  io::Task<void> note_counts(Ask const& ask, model::AppliedStream const& applied);
  io::Task<void> bury(DesiredPtr tombstone);
  std::uint64_t applied_version(StreamId id) const;
  Result<void> select(model::DesiredStream& next, std::uint64_t head) const;
  std::uint64_t head() const { return parts_.store.range().next; }

  StreamsParts parts_;
  Turns turns_;
  struct Known {
    std::uint64_t applied = 0;  // newest version that was told as applied
    std::size_t asked = 0;      // tellings under way
  };
  io::Locked<std::map<StreamId, Known>> known_;
  io::TaskScope tellings_;
};

}  // namespace millrace::control
