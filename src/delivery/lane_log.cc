// What of a Lane takes events out of the log: which comes next, and what happens when the log no longer has it.
#include <algorithm>

#include "delivery/lane.h"

namespace millrace::delivery {

using namespace std::chrono_literals;
using store::Position;
using store::Work;

// Events a second: a lane that is held to fewer keeps no piece of the log in memory, but reads it again.
static constexpr double slow_rate = 4;

void Lane::arrived(std::uint64_t batch, WallTime accepted_at, std::uint32_t events) {
  counters_.matched += events;
  if (unscanned_ ==
      0) {  // nothing between the last event that was taken and this batch is for this stream
    scan_ = {batch, 0};
    unscanned_since_ = accepted_at;
    let_go();
  }
  unscanned_ += events;
  mark_changed();
}

bool Lane::take(std::vector<Item>& items) {
  items.clear();
  if (!running_ || (unscanned_ == 0 && retries_.empty() && held_.empty())) {
    throttle_.has_nothing();
    return false;
  }
  while (items.size() < entries_per_send_) {
    auto mark = may_begin();
    if (!mark) break;
    Item& item = items.emplace_back();
    if (!take_one(item)) {
      items.pop_back();
      break;
    }
    item.mark = std::move(*mark);
    if (item.row) item.mark.count_as_retry();
  }
  return !items.empty();
}

// Counts a try against the stream's own limit; when that is reached, the lane wakes as soon as it is worth it.
std::optional<Throttle::Mark> Lane::may_begin() {
  auto const now = throttle_.has_rate() ? tools_.clock.now() : SteadyTime{};
  auto mark = throttle_.begin_try(now);
  if (mark) return mark;
  wake_at(throttle_.next_try(now));
  if (throttle_.rate() <= slow_rate && batch_ && !host_.newest(batch_->number)) let_go();
  return std::nullopt;
}

bool Lane::take_one(Item& item) {
  return take_held(item) || take_retry(item) || take_from_log(item);
}

bool Lane::take_held(Item& item) {
  if (held_.empty()) return false;
  if (tools_.clock.now() < held_until_) {
    wake_at(held_until_);
    return false;
  }
  item = std::move(held_.front());
  held_.pop_front();
  return true;
}

bool Lane::take_retry(Item& item) {
  if (retries_.empty()) return false;
  auto const due = retries_.next_due();
  if (due > tools_.clock.now()) {
    wake_at(due);
    return false;
  }
  item.row = retries_.pop();
  item.work = item.row->work;
  item.event = item.row->event;
  item.run_kind = item.row->run_kind;
  return true;
}

bool Lane::take_from_log(Item& item) {
  if (unscanned_ == 0 || recounting_) return false;
  if (auto const until = throttle_.paused(tools_.clock.now())) {
    wake_at(*until);
    return false;
  }
  // Both empty by themselves: retries by being sent, payloads by the next checkpoint, which calls pump().
  if (retries_.size() >= Limits::retries || unstored_bytes_ > Limits::unstored_bytes) return false;
  if (retries_.size() >= Limits::own_retries && tools_.retries.load() >= tools_.settings.retries)
    return false;
  while (unscanned_ > 0) {
    if ((!batch_ || batch_->number != scan_.batch) && !load_batch()) return false;
    auto const events = static_cast<std::uint32_t>(batch_->events.size());
    auto const& rows = batch_->events.rows();
    while (scan_.index < events) {
      Position const at = scan_;
      ++scan_.index;
      auto const pick = picks_[rows[at.index].kind];
      if (pick == Pick::no) continue;
      while (!settled_before_.empty() && settled_before_.back() < at) settled_before_.pop_back();
      bool const settled = !settled_before_.empty() && settled_before_.back() == at;
      if (settled && slots_.empty()) continue;
      if (!settled) --unscanned_;
      bool const passed = !settled && pick == Pick::without_form;
      if (passed) {
        ++counters_.skipped;
        meters_->without_form.add();
        mark_changed();
        if (slots_.empty()) continue;
      }
      if (!settled && slots_.size() >= Limits::slots) park_oldest();
      slots_.push_back({{Work::live, at}, batch_->id_of(at.index), settled || passed});
      if (settled || passed) continue;
      item.work = slots_.back().work;
      item.event = slots_.back().event;
      item.slot = first_slot_ + slots_.size() - 1;
      item.accepted_at = batch_->accepted_at;
      item.batch = batch_;
      return true;
    }
    scan_ = {batch_->number + 1, 0};
    batch_ = nullptr;
  }
  return false;
}

bool Lane::load_batch() {
  batch_ = nullptr;
  if (scan_.batch >= host_.head()) {
    lose_damaged();
    return false;
  }
  if (auto newest = host_.newest(scan_.batch)) {
    read_.clear();
    use(std::move(newest));
    return true;
  }
  while (!read_.empty() && read_.front()->number < scan_.batch) read_.pop_front();
  if (!read_.empty()) {
    auto next = std::move(read_.front());
    read_.pop_front();
    if (next->number > scan_.batch) scan_ = {next->number, 0};  // what is between them is damaged
    use(std::move(next));
    return true;
  }
  if (reading_) return false;
  if (tools_.clock.now() < read_after_) {
    wake_at(read_after_);
    return false;
  }
  reading_ = true;
  host_.want_read(*this);
  return false;
}

void Lane::use(store::SharedBatch batch) {
  auto const& kinds = batch->events.kinds();
  picks_.assign(kinds.size(), Pick::no);
  bool any = false;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (!filters_.selects(batch->number, kinds[i].kind)) continue;
    picks_[i] =
        tools_.renderer.has_form(rules_, kinds[i].kind.type) ? Pick::yes : Pick::without_form;
    any = true;
  }
  if (!any) scan_.index = static_cast<std::uint32_t>(batch->events.size());
  unscanned_since_ = batch->accepted_at;
  batch_ = std::move(batch);
}

void Lane::let_go() {
  batch_ = nullptr;
  read_.clear();
}

// The head is reached, and fewer events came than the batches' headers promised: the log had left out damaged ones.
void Lane::lose_damaged() {
  tools_.log.error("events lost in damaged batches of the log",
                   {{"stream", stream_.id.text()}, {"events", unscanned_}});
  auto const since = unscanned_since_.value_or(tools_.clock.wall());
  note_lost(unscanned_, since, since);
  unscanned_ = 0;
  scan_ = {host_.head(), 0};
  mark_changed();
}

// ---- reading behind the tail

io::Task<void> Lane::read_log() {
  struct Reading {
    Lane& lane;
    ~Reading() {
      lane.reading_ = false;
      if (lane.sends_ == 0) lane.quiet_.notify();
    }
  };
  {
    Reading const reading{*this};
    if (sparse_) co_await skip_ahead();
    auto const ahead = throttle_.ahead();
    store::ReadLimits limits;
    limits.batches = std::clamp<std::size_t>(ahead / 4, 1, 64);
    limits.bytes = std::clamp<std::size_t>(ahead * 16 * 1024, 256 * 1024, 4 * 1024 * 1024);
    auto const first = scan_.batch;
    auto batches = co_await tools_.store.read(first, limits);
    if (!batches && batches.error().fault == Fault::missing) {
      co_await lose_before(tools_.store.range().oldest);
    } else if (!batches) {
      if (read_trouble_.may_tell(tools_.clock.now()))
        tools_.log.warning("log not readable, trying again",
                           {{"stream", stream_.id.text()}, {"why", batches.error().what}});
      read_after_ = tools_.clock.now() + 1s;
    } else if (batches->empty()) {
      // The counts say that there is more: it is damaged up to the head. What the head is now may be newer than this read.
      if (scan_.batch == first && first < host_.head() && !host_.newest(first))
        scan_ = {host_.head(), 0};
    } else {
      sparse_ = std::ranges::none_of(*batches, [&](auto const& batch) {
        return filters_.count(batch->number, batch->events.kinds()) > 0;
      });
      read_.assign(batches->begin(), batches->end());
    }
  }
  pump();
}

void Lane::not_read() {
  reading_ = false;
  if (sends_ == 0) quiet_.notify();
}

// Jumps over batches that hold nothing for this stream, by their headers.
io::Task<void> Lane::skip_ahead() {
  for (auto first = scan_.batch; first < host_.head();) {
    auto const summaries = co_await tools_.store.summaries(first, 500);
    if (!summaries || summaries->empty()) co_return;
    for (auto const& one : *summaries) {
      if (filters_.count(one.number, one.kinds) == 0) continue;
      if (one.number > scan_.batch) scan_ = {one.number, 0};
      co_return;
    }
    first = summaries->back().number + 1;
  }
}

// ---- passing over: retention, activation

bool Lane::needs_before(std::uint64_t oldest) const {
  return (unscanned_ > 0 && scan_.batch < oldest) ||
         std::ranges::any_of(retries_.rows(), [&](RetryRow const& row) {
           return row.work.run == Work::live && row.work.at.batch < oldest;
         });
}

io::Task<Result<std::uint64_t>> Lane::count_selected(std::uint64_t first, std::uint64_t end) {
  std::uint64_t events = 0;
  while (first < end) {
    auto summaries = co_await tools_.store.summaries(first, 1000);
    if (!summaries) co_return pass(summaries);
    if (summaries->empty()) break;
    for (auto const& one : *summaries)
      if (one.number < end) events += filters_.count(one.number, one.kinds);
    first = summaries->back().number + 1;
  }
  co_return events;
}

// Moves on to batch `to`; how many events that were not taken yet lie before it.
io::Task<Result<std::uint64_t>> Lane::pass_over(std::uint64_t to) {
  if (unscanned_ == 0 || scan_.batch >= to || recounting_) co_return 0U;
  struct Recounting {
    Lane& lane;
    explicit Recounting(Lane& of) : lane(of) { lane.recounting_ = true; }
    ~Recounting() {
      lane.recounting_ = false;
      lane.quiet_.notify();
    }
  };
  Recounting const recounting(*this);
  auto const head = host_.head();
  auto const before =
      unscanned_;  // of batches before `head`; nothing is taken meanwhile, but more may arrive
  auto const left = co_await count_selected(to, head);
  if (!left) co_return std::unexpected(left.error());
  auto const settled = static_cast<std::uint64_t>(
      std::ranges::count_if(settled_before_, [&](Position at) { return at.batch >= to; }));
  auto const waiting = *left - std::min(*left, settled);
  auto const gone = before - std::min(before, waiting);
  unscanned_ -= gone;
  scan_ = {to, 0};
  unscanned_since_.reset();
  let_go();
  while (!settled_before_.empty() && settled_before_.back() < scan_) settled_before_.pop_back();
  mark_changed();
  co_return gone;
}

io::Task<Result<std::uint64_t>> Lane::skip_before(std::uint64_t to) {
  auto const passed = co_await pass_over(to);
  if (!passed) co_return std::unexpected(passed.error());
  auto skipped = *passed;
  for (auto const& row : retries_.take_before(to)) {
    ++skipped;
    end_row(row.work);
  }
  std::deque<Item> kept;
  for (auto& item : held_) {
    if (item.work.at.batch >= to) {
      kept.push_back(std::move(item));
    } else {
      ++skipped;
      end(item);
    }
  }
  held_ = std::move(kept);
  counters_.skipped += skipped;
  mark_changed();
  co_return skipped;
}

io::Task<void> Lane::lose_before(std::uint64_t oldest) {
  auto const rows = retries_.take_before(oldest);
  for (auto const& row : rows) {
    note_lost(1, row.event.uuid.time(), row.event.uuid.time());
    end_row(row.work);
  }
  auto const since = unscanned_since_;
  auto const passed = co_await pass_over(oldest);
  if (!passed) {
    tools_.log.warning("cannot count what retention took",
                       {{"stream", stream_.id.text()}, {"why", passed.error().what}});
    read_after_ = tools_.clock.now() + 1s;
    co_return;
  }
  if (*passed > 0) {
    // What is gone cannot be asked for its time; it lies before that of the oldest batch that is kept.
    auto const kept = co_await tools_.store.summaries(oldest, 1);
    auto const until = kept && !kept->empty() ? kept->front().accepted_at : tools_.clock.wall();
    note_lost(*passed, since.value_or(until), until);
  }
  if (*passed + rows.size() == 0) co_return;
  tools_.log.warning("events lost to retention before they were delivered",
                     {{"stream", stream_.id.text()},
                      {"events", *passed + rows.size()},
                      {"from", lost_from_ ? iso_ms(*lost_from_) : ""},
                      {"to", lost_to_ ? iso_ms(*lost_to_) : ""}});
  mark_changed();
}

void Lane::note_lost(std::uint64_t events, WallTime from, WallTime to) {
  counters_.lost += events;
  lost_from_ = lost_from_ ? std::min(*lost_from_, from) : from;
  lost_to_ = lost_to_ ? std::max(*lost_to_, to) : to;
}

}  // namespace millrace::delivery
