// What of a Lane is remembered: from and to the store, its changes by users, and its status.
#include <algorithm>

#include "delivery/lane.h"

namespace millrace::delivery {

using store::Position;

Lane::Lane(LaneHost& host, LaneTools& tools, model::DataStream stream,
           std::shared_ptr<Transport> transport, std::uint64_t head, io::Executor loop)
    : host_(host),
      tools_(tools),
      stream_(std::move(stream)),
      transport_(std::move(transport)),
      filters_({{head, stream_.event_types, stream_.account}}),
      scan_{head, 0},
      counts_from_(head),
      throttle_(tools.settings.window, stream_.rate_limit, tools.clock.now()),
      entries_per_send_(std::max<std::size_t>(transport_->limits().entries, 1)),
      rules_(rules_of(stream_)),
      quiet_(std::move(loop)),
      stored_counted_to_(head) {}

Lane::Lane(LaneHost& host, LaneTools& tools, model::DataStream stream,
           std::shared_ptr<Transport> transport, store::StreamState state, io::Executor loop)
    : Lane(host, tools, std::move(stream), std::move(transport), state.progress.counted_to,
           std::move(loop)) {
  auto& progress = state.progress;
  if (!progress.filters.empty()) filters_ = Filters(std::move(progress.filters));
  scan_ = progress.cursor;
  counters_ = progress.counters;
  lost_from_ = progress.lost_from;
  lost_to_ = progress.lost_to;
  last_success_ = progress.last_success;
  last_failure_ = progress.last_failure;
  applied_ = progress.applied;
  undelivered_kept_ = state.undelivered;
  settled_before_ = std::move(progress.settled_above);
  std::ranges::sort(settled_before_, std::greater());
  auto const now = tools.clock.now();
  auto const wall = tools.clock.wall();
  for (auto const& retry : state.retries) retries_.push(row_of(retry, kids_, now, wall));
  auto const gone = settled() + retries_.size();
  if (counters_.matched < gone)
    tools.log.error("the stored counts of a stream do not add up", {{"stream", stream_.id.text()}});
  unscanned_ = counters_.matched - std::min(counters_.matched, gone);
}

// ---- a user changes it

void Lane::edit(model::DataStream stream, std::shared_ptr<Transport> transport,
                std::uint64_t head) {
  ++edits_;
  stream_ = std::move(stream);
  applied_.version = stream_.version;
  transport_ = std::move(transport);
  entries_per_send_ = std::max<std::size_t>(transport_->limits().entries, 1);
  rules_ = rules_of(stream_);
  throttle_.change_rate(stream_.rate_limit, tools_.clock.now());
  told_incomplete_ = told_nonconforming_ = false;
  if (batch_) use(batch_);  // what is picked of it depends on the format
  store::FilterVersion fresh{head, stream_.event_types, stream_.account};
  std::ranges::sort(fresh.event_types);
  auto const& newest = filters_.newest();
  if (newest.event_types != fresh.event_types || newest.account != fresh.account)
    filters_.add(std::move(fresh));
  mark_changed();
}

void Lane::carried_out(std::uint64_t epoch) {
  applied_.epoch = std::max(applied_.epoch, epoch);
  mark_changed();
}

void Lane::resume() {
  running_ = true;
  pump();
}

void Lane::halt() {
  running_ = false;
  let_go();
}

Dropped Lane::remove() {
  ++edits_;
  halt();
  removed_ = true;
  retries_.clear();
  held_.clear();
  // What is being sent ends by itself; nobody remembers how.
  auto const waiting = counters_.matched - std::min(counters_.matched, settled());
  return {waiting - std::min<std::uint64_t>(waiting, handed_over_), undelivered_kept_};
}

io::Task<void> Lane::until_quiet() {
  while (!is_quiet()) co_await quiet_.wait();
}

void Lane::wake_at(SteadyTime at) {
  if (running_ && throttle_.wants_wake(at)) host_.wake_at(*this, at);
}

// ---- slots and rows

// Slots are settled in any order; the cursor stands at the first that is not.
void Lane::end_slot(std::uint64_t slot) {
  if (slot < first_slot_) {  // it was parked: the cursor has passed, and a row stands for it
    end_row(slots_parked_.extract(slot).mapped());
    return;
  }
  slots_[slot - first_slot_].settled = true;
  while (!slots_.empty() && slots_.front().settled) {
    slots_.pop_front();
    ++first_slot_;
  }
}

// One slow answer must not hold the cursor while thousands pass it: a row of no tries stands for the event, so that a restart
// sends it again, and the cursor goes on.
void Lane::park_oldest() {
  auto const& oldest = slots_.front();
  RetryRow row;
  row.work = oldest.work;
  row.event = oldest.event;
  row.due = tools_.clock.now();
  row.due_ms = unix_ms(tools_.clock.wall());
  row.first_tried_ms = row.due_ms;
  row_changes_[row.work] = row;
  slots_parked_.emplace(first_slot_, oldest.work);
  end_slot(first_slot_);
  mark_changed();
}

void Lane::end_row(store::Work const& work) { row_changes_[work] = std::nullopt; }

store::LedgerMinute& Lane::minute(WallTime now) {
  auto const number = std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
  if (ledger_.empty() || ledger_.back().minute != number) ledger_.push_back({.minute = number});
  return ledger_.back();
}

// ---- the store

Position Lane::cursor() const {
  if (!slots_.empty()) return slots_.front().work.at;
  if (unscanned_ > 0) return scan_;
  return std::max(Position{std::max(host_.head(), counts_from_), 0}, scan_);
}

std::uint64_t Lane::settled() const {
  return counters_.delivered + counters_.undelivered + counters_.skipped + counters_.lost;
}

store::StreamProgress Lane::progress() const {
  store::StreamProgress progress;
  progress.cursor = cursor();
  for (auto const& slot : slots_)
    if (slot.settled) progress.settled_above.push_back(slot.work.at);
  for (auto at = settled_before_.rbegin(); at != settled_before_.rend(); ++at)
    if (*at >= progress.cursor) progress.settled_above.push_back(*at);
  progress.counted_to = std::max(host_.head(), counts_from_);
  progress.counters = counters_;
  progress.filters = filters_.versions();
  progress.lost_from = lost_from_;
  progress.lost_to = lost_to_;
  progress.last_success = last_success_;
  progress.last_failure = last_failure_;
  progress.applied = applied_;
  return progress;
}

void Lane::mark_changed() {
  if (changed_ || removed_) return;
  changed_ = true;
  host_.changed(*this);
}

store::StreamDelta Lane::delta() {
  changed_ = false;
  filters_.forget_before(std::min(cursor().batch, std::max(host_.head(), counts_from_)));
  store::StreamDelta delta;
  delta.stream = stream_.id;
  delta.progress = progress();
  for (auto const& [work, row] : row_changes_) {
    if (row) {
      delta.retries.push_back(retry_of(*row, kids_));
    } else {
      delta.retries_ended.push_back(work);
    }
  }
  row_changes_.clear();
  delta.undelivered = std::exchange(undelivered_, {});
  delta.ledger = std::exchange(ledger_, {});
  return delta;
}

void Lane::stored(store::StreamDelta const& delta) {
  stored_counted_to_ = delta.progress.counted_to;
  for (auto const& one : delta.undelivered) unstored_bytes_ -= one.payload.size();
  undelivered_unstored_ -= delta.undelivered.size();
  if (!delta.undelivered.empty()) pump();
}

void Lane::not_stored(store::StreamDelta delta) {
  if (removed_) return;
  auto const now = tools_.clock.now();
  auto const wall = tools_.clock.wall();
  // What changed since then is newer than what is given back.
  for (auto const& retry : delta.retries)
    row_changes_.try_emplace(retry.work, row_of(retry, kids_, now, wall));
  for (auto const& work : delta.retries_ended) row_changes_.try_emplace(work, std::nullopt);
  undelivered_.insert(undelivered_.begin(), std::make_move_iterator(delta.undelivered.begin()),
                      std::make_move_iterator(delta.undelivered.end()));
  ledger_.insert(ledger_.begin(), delta.ledger.begin(), delta.ledger.end());
  mark_changed();
}

// The store lets go of undelivered events when they are old. Asked each ten minutes at most, and only where there are some.
io::Task<void> Lane::recount_undelivered() {
  auto const now = tools_.clock.now();
  if (undelivered_kept_ == 0 || undelivered_unstored_ > 0 || now < recount_after_) co_return;
  recount_after_ = now + std::chrono::minutes(10);
  auto const before = counters_.undelivered;
  auto const kept = co_await tools_.store.undelivered_count(stream_.id);
  if (!kept || removed_) co_return;
  if (counters_.undelivered == before) {
    undelivered_kept_ = *kept;
  } else {
    recount_after_ = {};  // more came meanwhile, stored or not
  }
}

io::Task<StreamStatus> Lane::status() {
  co_await recount_undelivered();
  if (unscanned_ > 0 && !unscanned_since_) {
    auto const at = scan_;
    auto const summaries = co_await tools_.store.summaries(at.batch, 1);
    if (summaries && !summaries->empty() && at == scan_)
      unscanned_since_ = summaries->front().accepted_at;
  }
  StreamStatus status;
  status.waiting = counters_.matched - std::min(counters_.matched, settled());
  status.retrying = retries_.size() + throttle_.retries_under_way();
  status.in_flight = throttle_.under_way();
  status.undelivered = undelivered_kept_;
  status.counters = counters_;
  status.lost_from = lost_from_;
  status.lost_to = lost_to_;
  status.last_success = last_success_;
  status.last_failure = last_failure_;
  status.last_failure_reason = last_failure_reason_;
  status.rate_limited = running_ && throttle_.is_limited();
  status.without_form = meters_->without_form.value();
  status.format_findings = meters_->findings.value();
  status.format_refused = meters_->refused.value();
  auto const older = [&](WallTime at) {
    if (!status.oldest_waiting || at < *status.oldest_waiting) status.oldest_waiting = at;
  };
  if (!slots_.empty()) older(slots_.front().event.uuid.time());
  for (auto const& row : retries_.rows()) older(row.event.uuid.time());
  if (unscanned_ > 0 && unscanned_since_) older(*unscanned_since_);
  co_return status;
}

}  // namespace millrace::delivery
