#include "control/streams.h"

#include <algorithm>

namespace millrace::control {
namespace {

std::unexpected<Error> stopping() {
  return fail(Fault::busy,
              "this node is stopping: nothing was changed; repeat the change when it is back");
}

// `name` with " (copy)", within 255 characters and not cut inside one.
std::string name_of_copy(std::string name) {
  constexpr std::string_view suffix = " (copy)";
  std::size_t characters = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if ((static_cast<unsigned char>(name[i]) & 0xC0U) == 0x80) continue;
    if (characters++ == 255 - suffix.size()) {
      name.resize(i);
      break;
    }
  }
  return name.append(suffix);
}

FieldChange count_of(std::string field, std::uint64_t events) {
  return {std::move(field), std::nullopt, std::to_string(events)};
}

}  // namespace

// One wait for a lane: whoever comes first, the lane or the end of patience, answers.
struct Streams::Telling {
  std::optional<Answer> answer;
  void end(std::optional<model::AppliedStream> applied) {
    if (auto waiting = std::exchange(answer, std::nullopt)) (*waiting)(applied);
  }
};

Streams::Streams(StreamsParts parts) : parts_(parts), tellings_(parts.loop) {}

io::Task<void> Streams::join() { co_await tellings_.join(); }

std::uint64_t Streams::applied_version(StreamId id) const {
  return known_.with([&](auto const& known) {
    auto const found = known.find(id);
    return found == known.end() ? 0 : found->second.applied;
  });
}

// ---- the changes

io::Task<Result<Changed>> Streams::add(model::DataStream stream, model::Principal by,
                                       std::string action, std::optional<Repeat> repeat) {
  auto const from = head();
  Ask ask{.permit = parts_.lanes.begin_change(), .desired = {}, .before = {}, .by = std::move(by)};
  if (!ask.permit) co_return stopping();
  stream.id = StreamId{Uuid::v7(parts_.clock.wall(), parts_.random.bits(), parts_.random.bits())};
  stream.version = 0;
  auto const turn = co_await take_turn(stream.id);
  model::DesiredStream desired{.stream = std::move(stream), .start = from};
  desired.filters = {{1, from, desired.stream.event_types, desired.stream.account}};
  co_return co_await store(std::move(desired), std::move(ask), std::move(action),
                           std::move(repeat));
}

io::Task<Result<Changed>> Streams::duplicate(StreamPtr stream, model::Principal by,
                                             std::optional<Repeat> repeat) {
  // It does not run at once: it would send everything twice before anybody has looked at it.
  auto copy = *stream;
  copy.name = name_of_copy(std::move(copy.name));
  copy.state = model::StreamState::deactivated;
  copy.reason = model::StateReason::by_user;
  co_return co_await add(std::move(copy), std::move(by), "data_streams.duplicate",
                         std::move(repeat));
}

// A new version of what is selected, where that differs from what holds now.
Result<void> Streams::select(model::DesiredStream& next, std::uint64_t from) const {
  auto const& stream = next.stream;
  auto& filters = next.filters;
  auto const version = stream.version + 1;
  if (filters.empty()) {  // a record of a former version: what it selects so far is in the progress
    filters.push_back({version, from, stream.event_types, stream.account});
    return {};
  }
  auto const& newest = filters.back();
  if (newest.event_types == stream.event_types && newest.account == stream.account) return {};
  auto const applied = applied_version(stream.id);
  std::erase_if(filters, [&](auto const& filter) {
    return filter.version <= applied && &filter != &filters.back();
  });
  if (filters.back().from_batch >= from) filters.pop_back();  // nothing came in between
  if (filters.size() >= model::DesiredLimits::filters)
    return fail(Fault::busy,
                "earlier edits of what this data stream selects are not applied yet: nothing was "
                "changed; repeat the change later");
  filters.push_back({version, from, stream.event_types, stream.account});
  return {};
}

io::Task<Result<Changed>> Streams::change(model::DataStream stream, model::Principal by) {
  auto const from = head();
  Ask ask{.permit = parts_.lanes.begin_change(), .desired = {}, .before = {}, .by = std::move(by)};
  if (!ask.permit) co_return stopping();
  auto const before = parts_.registry.desired(stream.id);
  if (!before || before->gone)
    co_return fail(Fault::missing, "data stream " + stream.id.text() + ": there is none");
  auto desired = *before;
  desired.stream = std::move(stream);
  if (auto const selected = select(desired, from); !selected) co_return pass(selected);
  co_return co_await store(std::move(desired), std::move(ask), "data_streams.update", {});
}

io::Task<Result<Changed>> Streams::deactivate(StreamPtr stream, model::StateReason reason,
                                              model::Principal by) {
  Ask ask{.permit = parts_.lanes.begin_change(), .desired = {}, .before = {}, .by = std::move(by)};
  if (!ask.permit) co_return stopping();
  auto const before = parts_.registry.desired(stream->id);
  if (!before || before->gone)
    co_return fail(Fault::missing, "data stream " + stream->id.text() + ": there is none");
  auto desired = *before;
  desired.stream = *stream;
  desired.stream.state = model::StreamState::deactivated;
  desired.stream.reason = reason;
  co_return co_await store(std::move(desired), std::move(ask), "data_streams.deactivate", {});
}

io::Task<Result<Changed>> Streams::activate(StreamPtr stream, ResumeFrom from,
                                            model::Principal by) {
  std::optional<std::uint64_t> batch;
  if (from.kind != ResumeFrom::Kind::stop) batch = head();
  Ask ask{.permit = parts_.lanes.begin_change(),
          .desired = {},
          .before = {},
          .by = std::move(by),
          .counts_skipped = batch.has_value()};
  if (!ask.permit) co_return stopping();
  if (from.kind == ResumeFrom::Kind::time) {
    auto const at = co_await parts_.store.batch_at(from.time);
    if (!at) co_return pass(at);
    batch = std::min(*batch, *at);
  }
  auto const before = parts_.registry.desired(stream->id);
  if (!before || before->gone)
    co_return fail(Fault::missing, "data stream " + stream->id.text() + ": there is none");
  auto desired = *before;
  desired.stream = *stream;
  desired.stream.state = model::StreamState::active;
  desired.stream.reason = model::StateReason::none;
  // What an activation before this one was to pass over, and did not yet, stays passed over.
  auto const& earlier = before->resume.from_batch;
  if (earlier && applied_version(stream->id) < before->stream.version)
    batch = std::max(*earlier, batch.value_or(0));
  desired.resume = {before->resume.epoch + 1, batch};
  co_return co_await store(std::move(desired), std::move(ask), "data_streams.activate", {});
}

io::Task<Result<Changed>> Streams::erase(StreamPtr stream, model::Principal by) {
  Ask ask{
      .permit = parts_.lanes.begin_change(), .desired = {}, .before = stream, .by = std::move(by)};
  if (!ask.permit) co_return stopping();
  auto buried = co_await parts_.registry.bury(stream->id, stream->version, ask.by);
  if (!buried) co_return pass(buried);
  ask.desired = std::move(*buried);
  co_return co_await told(std::move(ask), std::move(stream));
}

io::Task<Result<Changed>> Streams::store(model::DesiredStream desired, Ask ask, std::string action,
                                         std::optional<Repeat> repeat) {
  auto stored = co_await parts_.registry.save(std::move(desired), ask.by, std::move(action),
                                              std::move(repeat));
  if (!stored) co_return pass(stored);
  ask.desired = std::move(*stored);
  StreamPtr stream(ask.desired, &ask.desired->stream);
  co_return co_await told(std::move(ask), std::move(stream));
}

// ---- what the lanes are told

io::Task<Changed> Streams::told(Ask ask, StreamPtr stream) {
  known_.with([&](auto& known) { ++known[stream->id].asked; });
  auto const applied = co_await io::answer<std::optional<model::AppliedStream>>(
      [this, ask = std::move(ask)](Answer answer) mutable {
        io::asio::post(parts_.loop,
                       [this, ask = std::move(ask), answer = std::move(answer)]() mutable {
                         tellings_.start(tell(std::move(ask), std::move(answer)));
                       });
      });
  if (!applied) co_return Changed{std::move(stream), false};
  co_return Changed{std::move(stream), true, *applied};
}

io::Task<void> Streams::give_up(std::shared_ptr<Telling> telling) {
  co_await parts_.clock.sleep_for(patience);
  telling->end(std::nullopt);
}

// Goes on after the answer was given: counts are noted, and tombstones go, whenever the lane gets there.
io::Task<void> Streams::tell(Ask ask, Answer answer) {
  auto const telling = std::make_shared<Telling>(std::move(answer));
  auto const id = ask.desired->stream.id;
  std::optional<model::AppliedStream> done;
  {
    io::TaskScope waiting(parts_.loop);
    waiting.start(give_up(telling));
    auto applied = co_await parts_.lanes.apply(ask.desired);
    if (applied) {
      co_await note_counts(ask, *applied);
      done = *applied;
    } else {
      parts_.log.error("a change of a data stream is stored, and not applied yet",
                       {{"stream", id.text()}, {"why", applied.error().what}});
    }
    waiting.cancel();
    co_await waiting.join();
  }
  known_.with([&](auto& known) {
    auto& one = known[id];
    --one.asked;
    if (done) one.applied = std::max(one.applied, done->version);
  });
  telling->end(done);
  if (done && ask.desired->gone) co_await bury(ask.desired);
}

// Beside the change's own line, which is stored before anybody can count. Told in the log where it cannot be stored.
io::Task<void> Streams::note_counts(Ask const& ask, model::AppliedStream const& applied) {
  auto const& stream = ask.desired->stream;
  AuditLine line{"", stream.id.text(), stream.name, {stream.account}, {}};
  if (ask.desired->gone) {
    line.action = "data_streams.dropped";
    line.changes = {count_of("/events", applied.dropped),
                    count_of("/undelivered", applied.dropped_undelivered)};
  } else if (ask.counts_skipped) {
    line.action = "data_streams.skipped";
    line.changes = {count_of("/events", applied.skipped)};
  } else {
    co_return;
  }
  auto const noted = co_await parts_.registry.note(std::move(line), ask.by);
  if (!noted)
    parts_.log.error("an audit line is not stored",
                     {{"stream", stream.id.text()}, {"why", noted.error().what}});
}

// ---- tombstones

io::Task<void> Streams::bury(DesiredPtr tombstone) {
  auto const& stream = tombstone->stream;
  auto const forgotten = co_await parts_.registry.forget(stream.id, stream.version);
  if (!forgotten)
    parts_.log.warning("the record of a deleted data stream stays for now",
                       {{"stream", stream.id.text()}, {"why", forgotten.error().what}});
  else
    known_.with([&](auto& known) { known.erase(stream.id); });
}

io::Task<void> Streams::finish_deletions() {
  for (auto const& desired : parts_.registry.desired()) {
    if (!desired->gone) continue;
    auto const id = desired->stream.id;
    auto const turn = co_await take_turn(id);
    bool const is_told = known_.with([&](auto const& known) {
      auto const found = known.find(id);
      return found != known.end() && found->second.asked > 0;
    });
    if (is_told || !parts_.registry.desired(id)) continue;
    auto applied = co_await parts_.lanes.apply(desired);
    if (applied) co_await bury(desired);
  }
}

}  // namespace millrace::control
