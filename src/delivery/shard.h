// The lanes of one loop, and what they share there: the newest batches, the counting of what is selected, timers, reads of the log.
//   Matching  Once for each kind of event, not for each event and stream: a batch's header says how many of which kinds it has, and
//             which lanes want a kind is remembered. That also counts what waits.
//   Threads   One loop's; others call through on_loop(shard.loop(), ...).
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "delivery/lane.h"
#include "delivery/stall_watch.h"
#include "delivery/wake_list.h"

namespace millrace::delivery {

class Shard final : public LaneHost {
 public:
  // `want_checkpoint` is called, on this loop, when a lane has something to store that had nothing before.
  Shard(io::Executor loop, std::shared_ptr<Transports> transports, LaneTools& tools,
        std::size_t readers, std::function<void()> want_checkpoint);
  ~Shard() override;

  io::Executor const& loop() const { return loop_; }

  // Makes the lanes, counts what came since they were stored, follows the log. Once, first.
  io::Task<Result<void>> open(std::vector<model::DesiredStream> streams,
                              std::vector<store::StreamState> states);

  // These change lanes at once; what they changed is stored by the next checkpoint. Once the last one has been collected they fail
  // with busy and change nothing.
  io::Task<Result<void>> put(model::DataStream stream);
  io::Task<Result<Dropped>> remove(StreamId stream);
  io::Task<Result<std::uint64_t>> activate(model::DataStream stream, ActivateFrom from);
  io::Task<Result<void>> deactivate(model::DataStream stream);
  io::Task<Result<StreamStatus>> status(StreamId stream);
  io::Task<std::vector<StreamStatusRow>> statuses(std::vector<StreamId> streams);
  io::Task<Result<Outcome>> test(StreamId stream, store::SharedBatch batch);

  // For the checkpoint: the deltas of all lanes that changed; for the last one, of all lanes.
  io::Task<std::vector<store::StreamDelta>> collect(bool last);
  io::Task<bool> stored(std::vector<store::StreamDelta> deltas, bool ok);

  // Starts nothing more; answers when what is under way has ended, or was cut at `deadline`.
  io::Task<bool> stop(SteadyTime deadline);

  // Any thread.
  std::vector<std::pair<StreamId, std::shared_ptr<LaneMeters const>>> meters() const;

  // ---- LaneHost
  std::uint64_t head() const override { return head_; }
  store::SharedBatch newest(std::uint64_t batch) override;
  void start(io::Task<void> task) override;
  void wake_at(Lane& lane, SteadyTime at) override;
  Duration stopped_since(SteadyTime began) const override;
  void want_read(Lane& lane) override;
  void changed(Lane& lane) override;

 private:
  using SharedLane = std::shared_ptr<Lane>;
  static constexpr std::size_t tail_bytes = 16 * 1024 * 1024;
  static constexpr std::size_t tail_batches = 4096;
  static constexpr std::size_t kinds = 65'536;  // remembered
  static constexpr std::uint64_t uncounted =
      4096;  // batches that a quiet lane's stored count may lag behind
  static constexpr std::size_t recounted = 256;  // quiet lanes that are stored at a time

  Result<std::shared_ptr<Transport>> transport_of(model::DataStream const& stream);
  void add(SharedLane lane);
  SharedLane lane_of(model::DesiredStream const& desired, std::shared_ptr<Transport> transport,
                     store::StreamState* state);
  std::uint64_t start_of(model::DesiredStream const& desired) const;
  io::Task<void> carry_out(SharedLane lane, model::Resume resume);
  void sweep(std::vector<model::DesiredStream> const& streams,
             std::vector<store::StreamState>& states);
  SharedLane find(StreamId stream) const;
  void refilter(Lane& lane);
  void on_batch(store::SharedBatch const& batch);
  void note(std::uint64_t number, WallTime accepted_at, std::vector<model::KindCount> const& kinds);
  std::vector<Lane*> const& wanting(model::Kind const& kind);
  void keep(store::SharedBatch const& batch);
  io::Task<void> catch_up();
  io::Task<void> read(SharedLane lane);
  io::Task<void> beat();
  StallWatch::Moment moment() const { return {tools_.clock.now(), tools_.clock.wall()}; }
  void set_timer();
  io::Task<void> sleep(SteadyTime until);
  void check_retention();
  io::Task<void> count_lost(SharedLane lane, std::uint64_t oldest);
  void refresh_counts();
  void pump_all();
  io::Task<void> cut_at(SteadyTime deadline);

  io::Executor loop_;
  std::shared_ptr<Transports> transports_;
  LaneTools& tools_;
  std::function<void()> want_checkpoint_;

  std::unordered_map<StreamId, SharedLane> lanes_;
  io::Locked<std::map<StreamId, std::shared_ptr<LaneMeters const>>> meters_;
  std::shared_ptr<void> following_;
  std::uint64_t head_ = 1;
  bool catching_up_ = false;
  bool stopping_ = false;
  bool closed_ = false;       // the last checkpoint has what there was
  std::uint64_t oldest_ = 1;  // of the log, as it was last looked at

  std::map<model::Kind, std::vector<Lane*>> wanting_;
  std::vector<Lane*> touched_;
  std::set<Lane*> changing_;  // lanes whose newest filter begins beyond the head

  std::deque<store::SharedBatch> tail_;  // dense
  std::size_t tail_bytes_ = 0;

  std::vector<SharedLane> changed_;
  std::vector<StreamId> removed_;

  std::size_t readers_ = 0, readers_limit_;
  std::deque<SharedLane> wanting_to_read_;

  WakeList wakes_;
  std::optional<SteadyTime> sleeping_;  // until then; the one timer

  OncePerMinute count_trouble_;
  StallWatch watch_;
  bool beating_ = false;

  io::Signal ended_;
  io::TaskScope timers_, beats_, sends_;
};

}  // namespace millrace::delivery
