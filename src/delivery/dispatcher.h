// All data streams of this node at work: a lane for each, fed by the log, settled into the store.
//   Threads  Lanes live on `loops`, spread by a hash of the stream's id. Every member may be called from any loop.
//   Crash    What lanes did since the last checkpoint (100 ms) is done again; nothing is skipped.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/meters.h"
#include "crypto/key_ring.h"
#include "delivery/caliper_form.h"
#include "delivery/change_gate.h"
#include "delivery/transport.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/shared.h"
#include "io/worker.h"
#include "model/desired_stream.h"
#include "store/store.h"

namespace millrace::delivery {

struct DispatcherSettings {
  std::string issuer = "https://live-events.canvas.instructure.com";
  std::size_t window = 256;  // sends under way per lane, at most
  Duration checkpoint = std::chrono::milliseconds(100);
  std::size_t rendered_bytes = 64 * 1024 * 1024;  // cache of rendered and signed bodies
  std::size_t catching_up = 8;                    // lanes that read old segments at a time
  std::size_t signing_threads = 1;
  std::size_t retries =
      2'000'000;  // in memory, of all lanes; at about 100 bytes. More wait in the log
};

struct StreamStatus {
  std::uint64_t waiting = 0;   // selected and not settled, retries included
  std::uint64_t retrying = 0;  // of them: have failed at least once in this run
  std::uint64_t in_flight = 0;
  std::uint64_t undelivered = 0;           // kept and listed
  std::optional<WallTime> oldest_waiting;  // time of acceptance
  store::Counters counters;
  std::optional<WallTime> lost_from, lost_to;
  std::optional<WallTime> last_success, last_failure;
  std::string last_failure_reason;
  bool rate_limited = false;  // what waits, waits for the stream's own rate limit
  // Since this node started. Events that the format has no form for are in counters.skipped, too; refused ones in undelivered.
  std::uint64_t without_form = 0;
  std::uint64_t format_findings = 0, format_refused = 0;
};

using StreamStatusRow = std::pair<StreamId, StreamStatus>;

// What a deletion took away.
struct Dropped {
  std::uint64_t waiting = 0;      // selected, not settled, and not being sent at that moment
  std::uint64_t undelivered = 0;  // that were kept
};

// How an activation begins.
struct ActivateFrom {
  enum class Kind { stop, now, time, batch } kind = Kind::stop;  // stop: where it stopped
  WallTime time{};                                               // of acceptance
  std::uint64_t batch = 0;  // what waits in batches before this one is passed over
  std::uint64_t epoch = 0;  // of the activation; stored with what it passed over
};

struct DispatcherMeters {  // by stream; read by /metrics
  struct Delivered {
    StreamId stream;
    model::AttemptOutcome outcome;
    model::FailureClass failure;
    std::uint64_t count;
  };
  std::vector<Delivered> deliveries;
  // What the lanes cost beside their sends, since the start: timers that went off, lanes that were woken by one, looks for work.
  std::uint64_t timers = 0, wakes = 0, pumps = 0;
};

class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  // Whoever changes a stream holds this from before its record is stored until the call below has answered. Null: the node stops
  // and takes no more changes.
  virtual ChangePermit begin_change() = 0;

  // Each change is answered once the lane's progress is stored with it. Fails with: uncertain (the lane works by it, but the disk did
  // not take its progress, which is tried again: after a crash it begins elsewhere), busy (the last checkpoint is under way; nothing
  // was changed), invalid, missing, conflict (another change came in between).

  // A stream that is new or edited: filters take effect at the head of the log, everything else at the next try. A new stream
  // starts at the head.
  virtual io::Task<Result<void>> put(model::DataStream stream) = 0;
  // Nothing of it is left. One that has no lane is forgotten all the same.
  virtual io::Task<Result<Dropped>> remove(StreamId stream) = 0;
  // `stream` in state active. Answers how many events were skipped.
  virtual io::Task<Result<std::uint64_t>> activate(model::DataStream stream, ActivateFrom from) = 0;
  virtual io::Task<Result<void>> deactivate(
      model::DataStream stream) = 0;  // `stream` in state deactivated
  virtual io::Task<Result<StreamStatus>> status(StreamId stream) = 0;
  // Of many, with one visit to each loop, in turns of some lanes. In no order; those that are not here are left out.
  virtual io::Task<std::vector<StreamStatusRow>> statuses(std::vector<StreamId> streams) = 0;
  // Sends one made event now, beside the lane, as a test: in Canvas form its metadata says so already, in Caliper form its extensions
  // do. Its attempt is recorded with run `test`, and counted nowhere. Answers its outcome.
  virtual io::Task<Result<Outcome>> test(StreamId stream, model::Kind kind, std::string payload,
                                         std::uint32_t metadata_bytes) = 0;

  virtual DispatcherMeters meters() const = 0;
  virtual Histogram const& delivery_time() const = 0;    // of one try
  virtual Histogram const& end_to_end_time() const = 0;  // accepted to delivered
  virtual Counter const& signatures() const = 0;

  // No new attempt starts; those under way end (15 s at most, cut at `deadline`). Then no new change begins, those under way end, and
  // the last checkpoint is written.
  virtual io::Task<void> stop(SteadyTime deadline) = 0;
};

struct DispatcherParts {  // all outlive the Dispatcher
  store::Store& store;
  std::vector<std::shared_ptr<Transports>> transports;  // one for each loop, same order
  std::vector<io::Executor> loops;
  io::Shared<crypto::KeyRing> const& keys;
  io::Clock& clock;
  io::Random& random;
  Log& log;
  CaliperForm caliper = {};
};

// Loads the state of `streams` from the store and starts their lanes, as their records say: one without progress begins at its `start`, and
// selections that a lane was not told of before a crash hold from their batches. Tombstones have no lane. Fails with: io, corrupt.
io::Task<Result<std::unique_ptr<Dispatcher>>> open_dispatcher(
    DispatcherParts parts, DispatcherSettings settings, std::vector<model::DesiredStream> streams);

}  // namespace millrace::delivery
