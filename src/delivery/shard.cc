#include "delivery/shard.h"

#include <algorithm>

namespace millrace::delivery {

using namespace std::chrono_literals;

static Error too_late() { return {Fault::busy, "the node is stopping: it takes no more changes"}; }

Shard::Shard(io::Executor loop, std::shared_ptr<Transports> transports, LaneTools& tools,
             std::size_t readers, std::function<void()> want_checkpoint)
    : loop_(loop),
      transports_(std::move(transports)),
      tools_(tools),
      want_checkpoint_(std::move(want_checkpoint)),
      readers_limit_(std::max<std::size_t>(readers, 1)),
      ended_(loop),
      timers_(loop),
      beats_(loop),
      sends_(loop) {}

Shard::~Shard() = default;

// ---- lanes and their changes

Result<std::shared_ptr<Transport>> Shard::transport_of(model::DataStream const& stream) {
  if (!tools_.renderer.knows(stream.format))
    return fail(Fault::invalid, "format: caliper is not available here");
  auto transport = transports_->make(stream);
  if (!transport) return fail(Fault::invalid, "delivery: this method is not available");
  return transport;
}

Shard::SharedLane Shard::find(StreamId stream) const {
  auto const found = lanes_.find(stream);
  return found == lanes_.end() ? nullptr : found->second;
}

void Shard::add(SharedLane lane) {
  meters_.with([&](auto& all) { all[lane->stream().id] = lane->meters(); });
  refilter(*lane);
  lanes_[lane->stream().id] = std::move(lane);
}

void Shard::refilter(Lane& lane) {
  wanting_.clear();
  if (lane.filters().newest().from_batch > head_) changing_.insert(&lane);
}

// What is kept of streams that are no more: their deletion was stored, and the node ended before it could be told here.
void Shard::sweep(std::vector<model::DesiredStream> const& streams,
                  std::vector<store::StreamState>& states) {
  std::set<StreamId> known;
  for (auto const& one : streams) known.insert(one.stream.id);
  auto const gone = std::erase_if(states, [&](store::StreamState const& state) {
    if (known.contains(state.stream)) return false;
    removed_.push_back(state.stream);
    return true;
  });
  if (gone == 0) return;
  tools_.log.info("what was kept of deleted streams is removed", {{"streams", gone}});
  want_checkpoint_();
}

// Where a stream without progress begins. A record of a former version does not know.
std::uint64_t Shard::start_of(model::DesiredStream const& desired) const {
  auto const next = tools_.store.range().next;
  return desired.start == 0 ? next : std::min(desired.start, next);
}

// Its lane as the record says, with the selections that it was not told of before the process ended: each holds from its batch, or from the
// first that is not counted yet.
Shard::SharedLane Shard::lane_of(model::DesiredStream const& desired,
                                 std::shared_ptr<Transport> transport, store::StreamState* state) {
  auto const& filters = desired.filters;
  auto told = desired.stream;
  auto const tell = [&told](model::FilterVersion const& filter) {
    told.event_types = filter.event_types;
    told.account = filter.account;
  };
  std::shared_ptr<Lane> lane;
  auto next = filters.begin();
  if (state == nullptr) {
    if (next != filters.end()) tell(*next++);
    lane = std::make_shared<Lane>(*this, tools_, told, transport, start_of(desired), loop_);
  } else {
    lane = std::make_shared<Lane>(*this, tools_, told, transport, std::move(*state), loop_);
    auto const& newest = lane->filters().newest();
    for (auto one = filters.begin(); one != filters.end(); ++one)
      if (one->from_batch <= newest.from_batch && one->account == newest.account &&
          one->event_types == newest.event_types)
        next = one + 1;
  }
  for (; next != filters.end(); ++next) {
    tell(*next);
    lane->edit(told, transport, std::max(next->from_batch, lane->counts_from()));
  }
  return lane;
}

io::Task<Result<void>> Shard::open(std::vector<model::DesiredStream> streams,
                                   std::vector<store::StreamState> states) {
  sweep(streams, states);
  catching_up_ = true;  // what is told meanwhile is counted from the summaries
  following_ =
      tools_.store.follow(loop_, [this](store::SharedBatch const& batch) { on_batch(batch); });
  auto const range = tools_.store.range();
  std::unordered_map<StreamId, store::StreamState*> known;
  head_ = range.next;
  for (auto& state : states) {
    known[state.stream] = &state;
    head_ = std::min(head_, state.progress.counted_to);
  }
  for (auto const& desired : streams)
    if (!known.contains(desired.stream.id)) head_ = std::min(head_, start_of(desired));
  for (auto const& desired : streams) {
    auto const& stream = desired.stream;
    auto transport = transport_of(stream);
    if (!transport) {
      tools_.log.error("stream not started",
                       {{"stream", stream.id.text()}, {"why", transport.error().what}});
      continue;
    }
    auto const state = known.find(stream.id);
    auto const lane = lane_of(desired, *transport, state == known.end() ? nullptr : state->second);
    add(lane);
    // The record of a stream may have been edited when its lane was not told, in a crash.
    if (state != known.end()) lane->edit(stream, *transport, range.next);
    refilter(*lane);
    lane->mark_changed();
  }
  co_await catch_up();
  check_retention();
  for (auto const& desired : streams) {
    auto const lane = find(desired.stream.id);
    if (!lane) continue;
    if (desired.resume.from_batch && desired.resume.epoch > lane->applied().epoch)
      sends_.start(carry_out(lane, desired.resume));
    else if (lane->stream().state != model::StreamState::deactivated)
      lane->resume();
  }
  co_return Result<void>{};
}

// An activation that was stored, and not carried out when the process ended: the lane passes over what it was to pass over, and goes on.
// Whatever a user changes meanwhile comes after it, and has its own way.
io::Task<void> Shard::carry_out(SharedLane lane, model::Resume resume) {
  auto const edit = lane->edits();
  for (;;) {
    auto const passed = co_await lane->skip_before(std::min(*resume.from_batch, head_));
    if (stopping_ || lane->edits() != edit) co_return;
    if (passed) break;
    if (count_trouble_.may_tell(tools_.clock.now()))
      tools_.log.warning("an activation waits: what it passes over cannot be counted",
                         {{"stream", lane->stream().id.text()}, {"why", passed.error().what}});
    co_await tools_.clock.sleep_for(1s);
    if (stopping_ || lane->edits() != edit) co_return;
  }
  lane->carried_out(resume.epoch);
  if (lane->stream().state != model::StreamState::deactivated) lane->resume();
}

io::Task<Result<void>> Shard::put(model::DataStream stream) {
  if (closed_) co_return std::unexpected(too_late());
  auto transport = transport_of(stream);
  if (!transport) co_return pass(transport);
  auto const next = tools_.store.range().next;
  bool const runs = stream.state != model::StreamState::deactivated;
  auto lane = find(stream.id);
  if (!lane) {
    lane = std::make_shared<Lane>(*this, tools_, std::move(stream), *transport, next, loop_);
    add(lane);
    lane->mark_changed();
  } else {
    lane->edit(std::move(stream), *transport, next);
    refilter(*lane);
  }
  if (!runs) {
    lane->halt();
  } else if (!stopping_) {
    lane->resume();
  }
  co_return Result<void>{};
}

io::Task<Result<Dropped>> Shard::remove(StreamId stream) {
  if (closed_) co_return std::unexpected(too_late());
  Dropped dropped;
  // Without a lane (it could not be started, say) the store may have rows of it all the same.
  if (auto const lane = find(stream)) {
    dropped = lane->remove();
    wakes_.forget(lane.get());
    lanes_.erase(stream);
    meters_.with([&](auto& all) { all.erase(stream); });
    changing_.erase(lane.get());
    wanting_.clear();
    std::erase(changed_, lane);
  }
  removed_.push_back(stream);
  want_checkpoint_();
  co_return dropped;
}

io::Task<Result<std::uint64_t>> Shard::activate(model::DataStream stream, ActivateFrom from) {
  if (closed_) co_return std::unexpected(too_late());
  std::uint64_t skipped = 0;
  auto const lane = find(stream.id);
  if (!lane) {
    auto const id = stream.id;
    auto const made = co_await put(std::move(stream));
    if (!made) co_return pass(made);
    if (auto const fresh = find(id)) fresh->carried_out(from.epoch);
    co_return skipped;
  }
  auto transport = transport_of(stream);
  if (!transport) co_return pass(transport);
  lane->edit(std::move(stream), *transport, tools_.store.range().next);
  refilter(*lane);
  if (from.kind != ActivateFrom::Kind::stop) {
    // What is under way may still end as delivered: only then is known what is passed over.
    lane->halt();
    auto const edit = lane->edits();
    co_await lane->until_quiet();
    auto to = head_;
    if (from.kind == ActivateFrom::Kind::batch) to = std::min(from.batch, head_);
    if (from.kind == ActivateFrom::Kind::time) {
      auto const at = co_await tools_.store.batch_at(from.time);
      if (!at) co_return std::unexpected(at.error());
      to = std::min(*at, head_);
    }
    if (closed_) co_return std::unexpected(too_late());
    if (lane->edits() != edit) co_return fail(Fault::conflict, "the stream was changed meanwhile");
    auto const passed = co_await lane->skip_before(to);
    if (!passed) co_return passed;
    if (closed_) co_return std::unexpected(too_late());
    if (lane->edits() != edit) co_return fail(Fault::conflict, "the stream was changed meanwhile");
    skipped = *passed;
  }
  lane->carried_out(from.epoch);
  if (!stopping_) lane->resume();
  co_return skipped;
}

io::Task<Result<void>> Shard::deactivate(model::DataStream stream) {
  if (closed_) co_return std::unexpected(too_late());
  auto const lane = find(stream.id);
  if (!lane) co_return fail(Fault::missing, "stream " + stream.id.text() + ": is not here");
  auto transport = transport_of(stream);
  if (!transport) co_return pass(transport);
  lane->edit(std::move(stream), *transport, tools_.store.range().next);
  refilter(*lane);
  lane->halt();
  co_return Result<void>{};
}

io::Task<Result<StreamStatus>> Shard::status(StreamId stream) {
  check_retention();
  auto const lane = find(stream);
  if (!lane) co_return fail(Fault::missing, "stream " + stream.text() + ": is not here");
  co_return co_await lane->status();
}

io::Task<std::vector<StreamStatusRow>> Shard::statuses(std::vector<StreamId> streams) {
  constexpr std::size_t lanes_a_turn = 64;
  check_retention();
  std::vector<StreamStatusRow> all;
  all.reserve(streams.size());
  std::size_t asked = 0;
  for (auto const stream : streams) {
    if (++asked % lanes_a_turn == 0)
      co_await io::answer<bool>([](io::Resolver<bool> done) { done(true); });
    if (auto const lane = find(stream)) all.emplace_back(stream, co_await lane->status());
  }
  co_return all;
}

io::Task<Result<Outcome>> Shard::test(StreamId stream, store::SharedBatch batch) {
  auto const lane = find(stream);
  if (!lane) co_return fail(Fault::missing, "stream " + stream.text() + ": is not here");
  co_return co_await lane->send_test(std::move(batch));
}

// ---- the log grows

void Shard::on_batch(store::SharedBatch const& batch) {
  if (catching_up_ || stopping_ || batch->number < head_) return;
  if (batch->number >
      head_) {  // batches in between were not told: count them first, this one with them
    catching_up_ = true;
    sends_.start(catch_up());
    return;
  }
  keep(batch);
  note(batch->number, batch->accepted_at, batch->events.kinds());
  for (auto* lane : touched_) lane->pump();
  if (batch->number % 256 == 0) refresh_counts();
  if (tools_.store.range().oldest != oldest_) check_retention();
}

void Shard::note(std::uint64_t number, WallTime accepted_at,
                 std::vector<model::KindCount> const& found) {
  touched_.clear();
  std::erase_if(changing_, [&](Lane* lane) {
    if (lane->filters().newest().from_batch <= number) {
      wanting_.clear();
      return true;
    }
    auto const events = number < lane->counts_from() ? 0 : lane->filters().count(number, found);
    if (events > 0) {
      lane->arrived(number, accepted_at, events);
      touched_.push_back(lane);
    }
    return false;
  });
  for (auto const& kind : found) {
    for (auto* lane : wanting(kind.kind)) {
      if (number < lane->counts_from()) continue;
      lane->arrived(number, accepted_at, kind.events);
      if (touched_.empty() || touched_.back() != lane) touched_.push_back(lane);
    }
  }
  head_ = number + 1;
}

std::vector<Lane*> const& Shard::wanting(model::Kind const& kind) {
  auto const found = wanting_.find(kind);
  if (found != wanting_.end()) return found->second;
  if (wanting_.size() >= kinds) wanting_.clear();
  auto& lanes = wanting_[kind];
  for (auto const& [id, lane] : lanes_) {
    if (changing_.contains(lane.get())) continue;
    if (lane->filters().selects(lane->filters().newest().from_batch, kind))
      lanes.push_back(lane.get());
  }
  return lanes;
}

void Shard::keep(store::SharedBatch const& batch) {
  if (!tail_.empty() && tail_.back()->number + 1 != batch->number) {
    tail_.clear();
    tail_bytes_ = 0;
  }
  tail_.push_back(batch);
  tail_bytes_ += batch->events.payload_bytes();
  while (tail_.size() > 1 && (tail_bytes_ > tail_bytes || tail_.size() > tail_batches)) {
    tail_bytes_ -= tail_.front()->events.payload_bytes();
    tail_.pop_front();
  }
}

store::SharedBatch Shard::newest(std::uint64_t batch) {
  if (tail_.empty() || batch < tail_.front()->number || batch > tail_.back()->number)
    return nullptr;
  return tail_[batch - tail_.front()->number];
}

// Counts the batches from head_ on by their headers. Whoever calls has set catching_up_.
io::Task<void> Shard::catch_up() {
  while (head_ < tools_.store.range().next) {
    auto const summaries = co_await tools_.store.summaries(head_, 500);
    if (!summaries && summaries.error().fault == Fault::missing) {
      tools_.log.warning("batches went before they were counted", {{"from", head_}});
      head_ = std::max(head_ + 1, tools_.store.range().oldest);
      continue;
    }
    if (!summaries) {
      if (count_trouble_.may_tell(tools_.clock.now()))
        tools_.log.warning("log not countable, trying again", {{"why", summaries.error().what}});
      co_await tools_.clock.sleep_for(1s);
      continue;
    }
    if (summaries->empty()) break;
    for (auto const& one : *summaries)
      if (one.number >= head_) note(one.number, one.accepted_at, one.kinds);
  }
  head_ = std::max(head_, tools_.store.range().next);
  catching_up_ = false;
  pump_all();
}

void Shard::pump_all() {
  std::vector<SharedLane> all;
  for (auto const& [id, lane] : lanes_) all.push_back(lane);
  for (auto const& lane : all) lane->pump();
}

void Shard::check_retention() {
  if (stopping_) return;
  auto const oldest = tools_.store.range().oldest;
  if (oldest == oldest_) return;
  oldest_ = oldest;
  for (auto const& [id, lane] : lanes_)
    if (lane->needs_before(oldest)) start(count_lost(lane, oldest));
}

io::Task<void> Shard::count_lost(SharedLane lane, std::uint64_t oldest) {
  co_await lane->lose_before(oldest);
  lane->pump();
}

// A lane that nothing comes for says so to the store now and then, so that the next start has little to count.
void Shard::refresh_counts() {
  std::size_t refreshed = 0;
  for (auto const& [id, lane] : lanes_) {
    if (lane->stored_counted_to() + uncounted > head_) continue;
    lane->mark_changed();
    if (++refreshed == recounted) break;
  }
}

// ---- LaneHost

void Shard::start(io::Task<void> task) {
  sends_.start(std::move(task));
  if (beating_) return;
  beating_ = true;
  watch_.begin(moment());
  beats_.start(beat());
}

// For as long as anything is under way: an idle shard costs nothing.
io::Task<void> Shard::beat() {
  while (sends_.running() > 0) {
    co_await tools_.clock.sleep_for(StallWatch::period);
    watch_.beat(moment());
  }
  watch_.end();
  beating_ = false;
}

Duration Shard::stopped_since(SteadyTime began) const { return watch_.lost(began, moment()); }

void Shard::changed(Lane& lane) {
  changed_.push_back(lane.shared_from_this());
  if (changed_.size() == 1) want_checkpoint_();
}

void Shard::want_read(Lane& lane) {
  if (stopping_) return lane.not_read();
  if (readers_ >= readers_limit_) {
    wanting_to_read_.push_back(lane.shared_from_this());
    return;
  }
  ++readers_;
  sends_.start(read(lane.shared_from_this()));
}

io::Task<void> Shard::read(SharedLane lane) {
  for (;;) {
    co_await lane->read_log();
    if (wanting_to_read_.empty() || stopping_) break;
    lane = std::move(wanting_to_read_.front());
    wanting_to_read_.pop_front();
  }
  --readers_;
}

void Shard::wake_at(Lane& lane, SteadyTime at) {
  // In steps, so that many retries share few timers.
  constexpr auto step = std::chrono::duration_cast<SteadyTime::duration>(10ms);
  auto const late = at.time_since_epoch() % step;
  auto const tick = late == SteadyTime::duration::zero() ? at : at + (step - late);
  wakes_.put(&lane, tick);
  set_timer();
}

// One timer, for the earliest of all times. A time that became later leaves it as it is: it looks once for nothing.
void Shard::set_timer() {
  auto const next = wakes_.next();
  if (!next || stopping_ || (sleeping_ && *sleeping_ <= *next)) return;
  if (sleeping_) timers_.cancel();
  sleeping_ = next;
  timers_.start(sleep(*next));
}

io::Task<void> Shard::sleep(SteadyTime until) {
  co_await tools_.clock.sleep_until(until);
  if (sleeping_ != until) co_return;  // it went off while an earlier one took its place
  tools_.work.timers.add();
  auto const now = tools_.clock.now();
  sleeping_ = now;  // the next timer is set once, after all lanes have asked
  while (auto* const lane = wakes_.take_due(now)) {
    tools_.work.wakes.add();
    lane->woken();
    lane->pump();
  }
  sleeping_.reset();
  set_timer();
}

// ---- the checkpoint

io::Task<std::vector<store::StreamDelta>> Shard::collect(bool last) {
  closed_ = closed_ || last;
  if (last)
    for (auto const& [id, lane] : lanes_) lane->mark_changed();
  std::vector<store::StreamDelta> deltas;
  auto const lanes = std::exchange(changed_, {});
  deltas.reserve(lanes.size() + removed_.size());
  for (auto const& lane : lanes) deltas.push_back(lane->delta());
  for (auto const& stream : std::exchange(removed_, {})) {
    store::StreamDelta delta;
    delta.stream = stream;
    delta.removed = true;
    deltas.push_back(std::move(delta));
  }
  co_return deltas;
}

io::Task<bool> Shard::stored(std::vector<store::StreamDelta> deltas, bool ok) {
  for (auto& delta : deltas) {
    if (delta.removed) {
      if (!ok) removed_.push_back(delta.stream);
      continue;
    }
    auto const lane = find(delta.stream);
    if (!lane) continue;
    if (ok) {
      lane->stored(delta);
    } else {
      lane->not_stored(std::move(delta));
    }
  }
  co_return ok;
}

std::vector<std::pair<StreamId, std::shared_ptr<LaneMeters const>>> Shard::meters() const {
  return meters_.with([](auto const& all) {
    return std::vector<std::pair<StreamId, std::shared_ptr<LaneMeters const>>>(all.begin(),
                                                                               all.end());
  });
}

// ---- the end

io::Task<bool> Shard::stop(SteadyTime deadline) {
  stopping_ = true;
  following_ = nullptr;
  for (auto const& [id, lane] : lanes_) lane->halt();
  for (auto const& lane : std::exchange(wanting_to_read_, {})) lane->not_read();
  timers_.cancel();
  co_await timers_.join();
  timers_.start(cut_at(deadline));
  co_await sends_.join();
  timers_.cancel();
  co_await timers_.join();
  beats_.cancel();
  co_await beats_.join();
  co_return true;
}

io::Task<void> Shard::cut_at(SteadyTime deadline) {
  co_await tools_.clock.sleep_until(deadline);
  sends_.cancel();
}

}  // namespace millrace::delivery
