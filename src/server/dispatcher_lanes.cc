#include "server/dispatcher_lanes.h"

namespace millrace::server {

DispatcherLanes::DispatcherLanes(delivery::Dispatcher& dispatcher,
                                 std::vector<control::DesiredPtr> const& at_work)
    : dispatcher_(dispatcher) {
  at_work_.with([&](auto& all) {
    for (auto const& desired : at_work)
      if (!desired->gone)
        all[desired->stream.id] = {desired->stream.version, desired->resume.epoch,
                                   desired->stream.state};
  });
}

std::shared_ptr<void> DispatcherLanes::begin_change() {
  return std::shared_ptr<void>(dispatcher_.begin_change());
}

io::Task<Result<model::AppliedStream>> DispatcherLanes::apply(control::DesiredPtr desired) {
  auto const& stream = desired->stream;
  auto const turn = co_await turns_.take(stream.id.text());
  auto const before = at_work_.with([&](auto const& all) {
    auto const found = all.find(stream.id);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  });
  if (before && before->version >= stream.version)
    co_return model::AppliedStream{.version = before->version};
  auto applied = co_await bring(desired, before);
  // One that is uncertain is at work, too: what is not stored is how far the lane has come.
  if (applied || applied.error().fault == Fault::uncertain)
    at_work_.with([&](auto& all) {
      if (desired->gone)
        all.erase(stream.id);
      else
        all[stream.id] = {stream.version, desired->resume.epoch, stream.state};
    });
  co_return applied;
}

io::Task<Result<model::AppliedStream>> DispatcherLanes::bring(control::DesiredPtr desired,
                                                              std::optional<AtWork> before) {
  auto const& stream = desired->stream;
  model::AppliedStream applied{.version = stream.version};
  if (desired->gone) {
    auto const dropped = co_await dispatcher_.remove(stream.id);
    if (!dropped) co_return pass(dropped);
    applied.dropped = dropped->waiting;
    applied.dropped_undelivered = dropped->undelivered;
  } else if (before && desired->resume.epoch > before->epoch) {
    using Kind = delivery::ActivateFrom::Kind;
    auto const& from = desired->resume.from_batch;
    auto const skipped =
        co_await dispatcher_.activate(stream, {.kind = from ? Kind::batch : Kind::stop,
                                               .batch = from.value_or(0),
                                               .epoch = desired->resume.epoch});
    if (!skipped) co_return pass(skipped);
    applied.skipped = *skipped;
  } else if (before && stream.state == model::StreamState::deactivated &&
             before->state != stream.state) {
    if (auto const done = co_await dispatcher_.deactivate(stream); !done) co_return pass(done);
  } else {
    if (auto const done = co_await dispatcher_.put(stream); !done) co_return pass(done);
  }
  co_return applied;
}

}  // namespace millrace::server
