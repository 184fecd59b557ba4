#include "delivery/dispatcher.h"

#include <algorithm>
#include <iterator>

#include "delivery/checkpointer.h"
#include "delivery/on_loop.h"
#include "delivery/shard.h"

namespace millrace::delivery {
namespace {

class LaneDispatcher final : public Dispatcher {
 public:
  LaneDispatcher(DispatcherParts parts, DispatcherSettings settings)
      : parts_(std::move(parts)),
        settings_(std::move(settings)),
        renderer_(parts_.keys, parts_.clock,
                  {settings_.issuer, settings_.rendered_bytes, settings_.signing_threads},
                  parts_.caliper),
        tools_{.store = parts_.store,
               .clock = parts_.clock,
               .random = parts_.random,
               .log = parts_.log,
               .renderer = renderer_,
               .settings = settings_,
               .policy = RetryPolicy::canvas(),
               .delivery_time = {},
               .end_to_end_time = {},
               .work = {}},
        checkpointer_(parts_.loops.front(), parts_.store, parts_.clock, parts_.log,
                      settings_.checkpoint, shards_) {
    check(parts_.transports.size() == parts_.loops.size(), "each loop has its transports");
    auto const readers = std::max<std::size_t>(settings_.catching_up / parts_.loops.size(), 1);
    for (std::size_t i = 0; i < parts_.loops.size(); ++i)
      shards_.push_back(std::make_unique<Shard>(parts_.loops[i], parts_.transports[i], tools_,
                                                readers, [this] { checkpointer_.want(); }));
  }

  io::Task<Result<void>> open(std::vector<model::DesiredStream> streams) {
    std::erase_if(streams, [](model::DesiredStream const& one) { return one.gone; });
    auto states = co_await parts_.store.load_streams();
    if (!states) co_return pass(states);
    std::vector<std::vector<model::DesiredStream>> streams_of(shards_.size());
    std::vector<std::vector<store::StreamState>> states_of(shards_.size());
    bool const none_is_new = std::ranges::all_of(streams, [&](model::DesiredStream const& one) {
      return std::ranges::find(*states, one.stream.id, &store::StreamState::stream) !=
             states->end();
    });
    for (auto& one : streams) streams_of[place_of(one.stream.id)].push_back(std::move(one));
    for (auto& state : *states) states_of[place_of(state.stream)].push_back(std::move(state));
    co_await on_loop(parts_.loops.front(), begin_checkpoints());
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      auto opened = co_await on_loop(
          shards_[i]->loop(), shards_[i]->open(std::move(streams_of[i]), std::move(states_of[i])));
      if (!opened) co_return opened;
    }
    // A stream that is new must be known before anything happens that it should get.
    auto flushed = co_await on_loop(parts_.loops.front(), checkpointer_.flush());
    // On a full disk a node starts all the same: what it does is stored once there is space.
    if (!flushed && flushed.error().fault == Fault::busy && none_is_new) co_return Result<void>();
    co_return flushed;
  }

  io::Clock& clock() { return parts_.clock; }

  ChangePermit begin_change() override { return gate_.enter(); }
  io::Task<Result<void>> put(model::DataStream stream) override {
    auto& shard = shard_of(stream.id);
    return stored(on_loop(shard.loop(), shard.put(std::move(stream))));
  }
  io::Task<Result<Dropped>> remove(StreamId stream) override {
    auto& shard = shard_of(stream);
    return stored(on_loop(shard.loop(), shard.remove(stream)));
  }
  io::Task<Result<std::uint64_t>> activate(model::DataStream stream, ActivateFrom from) override {
    auto& shard = shard_of(stream.id);
    return stored(on_loop(shard.loop(), shard.activate(std::move(stream), from)));
  }
  io::Task<Result<void>> deactivate(model::DataStream stream) override {
    auto& shard = shard_of(stream.id);
    return stored(on_loop(shard.loop(), shard.deactivate(std::move(stream))));
  }
  io::Task<Result<StreamStatus>> status(StreamId stream) override {
    auto& shard = shard_of(stream);
    return on_loop(shard.loop(), shard.status(stream));
  }

  io::Task<std::vector<StreamStatusRow>> statuses(std::vector<StreamId> streams) override {
    std::vector<std::vector<StreamId>> of(shards_.size());
    for (auto const stream : streams) of[place_of(stream)].push_back(stream);
    std::vector<StreamStatusRow> all;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (of[i].empty()) continue;
      auto some = co_await on_loop(shards_[i]->loop(), shards_[i]->statuses(std::move(of[i])));
      all.insert(all.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
    }
    co_return all;
  }

  io::Task<Result<Outcome>> test(StreamId stream, model::Kind kind, std::string payload,
                                 std::uint32_t metadata_bytes) override {
    auto batch = std::make_shared<store::RecordBatch>();
    batch->accepted_at = parts_.clock.wall();
    batch->first_id = Uuid::v7(batch->accepted_at, parts_.random.bits(), parts_.random.bits());
    batch->events.add(kind, payload, metadata_bytes);
    auto& shard = shard_of(stream);
    return on_loop(shard.loop(), shard.test(stream, std::move(batch)));
  }

  DispatcherMeters meters() const override {
    DispatcherMeters meters;
    for (auto const& shard : shards_)
      for (auto const& [stream, tries] : shard->meters()) add(meters, stream, *tries);
    meters.timers = tools_.work.timers.value();
    meters.wakes = tools_.work.wakes.value();
    meters.pumps = tools_.work.pumps.value();
    return meters;
  }
  Histogram const& delivery_time() const override { return tools_.delivery_time; }
  Histogram const& end_to_end_time() const override { return tools_.end_to_end_time; }
  Counter const& signatures() const override { return renderer_.signatures(); }

  io::Task<void> stop(SteadyTime deadline) override {
    // Every shard is told at once: one that waits for its last sends must not keep the others sending.
    io::TaskScope scope(co_await io::asio::this_coro::executor);
    for (auto& shard : shards_) scope.start(stop_shard(*shard, deadline));
    co_await scope.join();
    co_await gate_.close();
    auto const last = co_await on_loop(parts_.loops.front(), checkpointer_.stop());
    if (!last) parts_.log.error("the last checkpoint failed", {{"why", last.error().what}});
  }

 private:
  std::size_t place_of(StreamId stream) const {
    return std::hash<StreamId>()(stream) % shards_.size();
  }
  Shard& shard_of(StreamId stream) { return *shards_[place_of(stream)]; }

  io::Task<bool> begin_checkpoints() {
    checkpointer_.begin();
    co_return true;
  }

  // A change is answered once the lane's progress is stored with it.
  template <class T>
  io::Task<Result<T>> stored(io::Task<Result<T>> change) {
    auto changed = co_await std::move(change);
    if (!changed) co_return changed;
    auto const flushed = co_await on_loop(parts_.loops.front(), checkpointer_.flush());
    if (!flushed) co_return fail(Fault::uncertain, "not on the disk yet: " + flushed.error().what);
    co_return changed;
  }

  static io::Task<void> stop_shard(Shard& shard, SteadyTime deadline) {
    co_await on_loop(shard.loop(), shard.stop(deadline));
  }

  static void add(DispatcherMeters& meters, StreamId stream, LaneMeters const& tries) {
    for (std::size_t outcome = 0; outcome < tries.tries.size(); ++outcome)
      for (std::size_t failure = 0; failure < tries.tries[outcome].size(); ++failure)
        if (auto const count = tries.tries[outcome][failure].value(); count > 0)
          meters.deliveries.push_back({stream, static_cast<model::AttemptOutcome>(outcome),
                                       static_cast<model::FailureClass>(failure), count});
  }

  DispatcherParts parts_;
  DispatcherSettings settings_;
  Renderer renderer_;
  LaneTools tools_;
  std::vector<std::unique_ptr<Shard>> shards_;
  Checkpointer checkpointer_;
  ChangeGate gate_;
};

}  // namespace

io::Task<Result<std::unique_ptr<Dispatcher>>> open_dispatcher(
    DispatcherParts parts, DispatcherSettings settings, std::vector<model::DesiredStream> streams) {
  auto dispatcher = std::make_unique<LaneDispatcher>(std::move(parts), std::move(settings));
  auto& clock = dispatcher->clock();
  auto opened = co_await dispatcher->open(std::move(streams));
  if (!opened) {
    co_await dispatcher->stop(clock.now());
    co_return pass(opened);
  }
  co_return dispatcher;
}

}  // namespace millrace::delivery
