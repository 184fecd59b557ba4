#include "delivery/lane.h"

#include <algorithm>
#include <cstring>

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;

std::size_t index_of(auto value) { return static_cast<std::size_t>(value); }

}  // namespace

// ---- one send, from the event to its settlement

struct Lane::Sending {
  explicit Sending(Lane& of) : lane(of) {}
  ~Sending() {
    if (--lane.sends_ == 0) lane.quiet_.notify();
  }
  Sending(Sending const&) = delete;
  Sending& operator=(Sending const&) = delete;
  Lane& lane;
};

void Lane::pump() {
  tools_.work.pumps.add();
  while (sends_ < throttle_.window()) {
    std::vector<Item> items;
    if (!take(items)) break;
    ++sends_;
    host_.start(send_all(shared_from_this(), std::move(items)));
  }
  // A slow endpoint must not keep pieces of the log in memory: they are read again when it has room.
  if (throttle_.window() <= 4 && sends_ >= throttle_.window() && batch_ &&
      !host_.newest(batch_->number))
    let_go();
}

// Stays alive from event to event while there is work: starting a Task costs more than all else that a lane does for one.
io::Task<void> Lane::send_all(std::shared_ptr<Lane> self, std::vector<Item> items) {
  Sending const sending(*self);
  do co_await self->send(items);
  while (self->sends_ <= self->throttle_.window() && self->take(items));
}

io::Task<void> Lane::send(std::vector<Item>& items) {
  for (std::size_t i = 0; i < items.size();) {
    Item& item = items[i];
    if (!item.batch && !co_await load(item)) {
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    auto rendered = tools_.renderer.at_once(rules_, *item.batch, item.work.at.index);
    if (!rendered)
      rendered = co_await tools_.renderer.render(rules_, item.batch, item.work.at.index);
    prepare(item, std::move(rendered));
    if (item.rendered->refusal == Refusal::none) {
      ++i;
    } else {
      refuse(item);
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (items.empty()) {
    if (sends_ < throttle_.window()) pump();
    co_return;
  }
  auto const transport = transport_;  // an edit may replace it meanwhile
  auto const limits = transport->limits();
  for (std::size_t sent = 0; sent < items.size();) {
    if (!running_) {
      give_back(items, sent);
      co_return;
    }
    std::vector<Entry> entries;
    std::size_t bytes = 0, end = sent;
    do {
      bytes += items[end].rendered->body.size();
      entries.push_back(entry_of(items[end]));
      ++end;
    } while (end < items.size() && entries.size() < limits.entries &&
             bytes + items[end].rendered->body.size() <= limits.bytes);
    auto const number = throttle_.begin_send();
    handed_over_ += end - sent;
    auto const began = tools_.clock.now();
    auto outcomes = co_await transport->send(std::move(entries));
    handed_over_ -= end - sent;
    check(outcomes.size() == end - sent, "a transport answers for each entry");
    auto const stopped = host_.stopped_since(began);
    for (auto& outcome : outcomes) {
      excuse(outcome, stopped);
      if (is_overload(outcome)) {
        throttle_.overload(number);
      } else if (outcome.delivered) {
        throttle_.succeeded(sends_ >= throttle_.window());
      }
      settle(items[sent++], outcome);
    }
  }
  if (sends_ < throttle_.window()) pump();
}

// A retry knows only its position: the log has the event, if it has not gone with its segment.
io::Task<bool> Lane::load(Item& item) {
  item.batch = host_.newest(item.work.at.batch);
  if (!item.batch) {
    auto read = co_await tools_.store.read(item.work.at.batch, {.batches = 1, .bytes = 1});
    if (!read && read.error().fault != Fault::missing) {
      postpone(item, read.error());
      co_return false;
    }
    if (!read) {
      lost(item, "its segment is gone");
      co_return false;
    }
    if (!read->empty() && read->front()->number == item.work.at.batch) item.batch = read->front();
  }
  if (!item.batch || item.work.at.index >= item.batch->events.size()) {
    item.batch = nullptr;
    lost(item, "its batch is damaged");
    co_return false;
  }
  item.accepted_at = item.batch->accepted_at;
  co_return true;
}

void Lane::prepare(Item& item, SharedRendered rendered) {
  auto const event = item.batch->events[item.work.at.index];
  auto const& kind = item.batch->events.kinds()[event.kind].kind;
  item.type = kind.type;
  if (!item.row && item.run_kind != model::Run::test)
    meters_->findings.add(rendered->findings);  // once an event, not once a try
  if (item.tried() + 1 >= tools_.policy.tries() || rendered->refusal == Refusal::nonconforming) {
    item.kind = kind;
    item.payload = event.payload;
    item.metadata_bytes = event.metadata_bytes;
  }
  if (item.row && item.row->tried > 0) {
    auto const hash = payload_hash(*rendered);
    bool const same = hash == std::string_view(item.row->payload_hash.data(), 8);
    if (!same || kids_[item.row->kid] != rendered->kid)
      tools_.log.debug("payload differs from that of the earlier try",
                       {{"stream", stream_.id.text()},
                        {"event", item.event.text()},
                        {"kid", rendered->kid},
                        {"earlier_kid", kids_[item.row->kid]}});
  }
  item.rendered = std::move(rendered);
  item.batch = nullptr;  // a slow send must not keep a whole batch
}

Entry Lane::entry_of(Item const& item) const {
  Entry entry;
  entry.event = item.event;
  entry.event_type = item.type;
  entry.rendered = item.rendered;
  entry.run = item.run_kind;
  entry.attempt = static_cast<std::uint8_t>(item.tried() + 1);
  return entry;
}

void Lane::settle(Item& item, Outcome& outcome) {
  item.mark.spend();
  tools_.delivery_time.add(outcome.took);
  auto const now = tools_.clock.wall();
  if (outcome.delivered) {
    delivered(item, now);
    record(item, outcome, model::AttemptOutcome::delivered);
    return;
  }
  Standing const standing{item.tried(),
                          item.tried() > 0 ? from_unix_ms(item.row->first_tried_ms) : outcome.at};
  auto const verdict = judge(outcome, standing, tools_.policy, tools_.random.unit(), now);
  auto const* again = std::get_if<RetryAt>(&verdict);
  auto const as = again ? model::AttemptOutcome::waiting : model::AttemptOutcome::failed;
  tell_failure(item, outcome, as);
  if (!removed_) {
    last_failure_ = now;
    last_failure_reason_ = outcome.reason;
    if (outcome.failure != model::FailureClass::own_side) ++minute(now).attempts_failed;
    if (again) {
      retry(item, outcome, *again, now);
    } else {
      give_up(item, outcome, now);
    }
  }
  record(item, outcome, as);
}

void Lane::delivered(Item const& item, WallTime now) {
  tools_.end_to_end_time.add(now - item.accepted_at);
  if (removed_) return;
  ++counters_.delivered;
  ++minute(now).delivered;
  last_success_ = now;
  tell_success();
  end(item);
}

void Lane::retry(Item const& item, Outcome const& outcome, RetryAt const& verdict, WallTime now) {
  auto const steady = tools_.clock.now();
  RetryRow row = item.row.value_or(RetryRow{});
  if (row.tried == 0) row.first_tried_ms = unix_ms(outcome.at);
  row.work = item.work;
  row.event = item.event;
  row.due = steady + std::chrono::duration_cast<SteadyTime::duration>(verdict.due - now);
  row.due_ms = unix_ms(verdict.due);
  if (verdict.counted) ++row.tried;
  row.failure = outcome.failure;
  row.status = outcome.status;
  row.kid = kids_.number_of(item.rendered->kid);
  std::memcpy(row.payload_hash.data(), payload_hash(*item.rendered).data(), 8);
  if (!item.row) end_slot(item.slot);
  row_changes_[row.work] = row;
  retries_.push(row);
  wake_at(row.due);
  if (outcome.retry_after && (outcome.status == 429 || outcome.status == 503))
    throttle_.pause(*outcome.retry_after, steady);
  mark_changed();
}

void Lane::give_up(Item& item, Outcome const& outcome, WallTime now) {
  auto& bucket = minute(now);
  ++(outcome.failure == model::FailureClass::timeout ? bucket.undelivered_timeout
                                                     : bucket.undelivered_other);
  keep_undelivered(item, outcome, now);
}

void Lane::keep_undelivered(Item& item, Outcome const& outcome, WallTime now) {
  ++counters_.undelivered;
  ++undelivered_kept_;
  ++undelivered_unstored_;
  unstored_bytes_ += item.payload.size();
  undelivered_.push_back({item.work, item.event, std::move(item.kind), std::move(item.payload),
                          item.metadata_bytes, item.accepted_at, now, outcome.failure,
                          outcome.status, outcome.reason});
  end(item);
}

Outcome Lane::refused(Rendered const& rendered) const {
  Outcome outcome;
  outcome.failure = model::FailureClass::own_side;
  outcome.at = tools_.clock.wall();
  outcome.reason = rendered.finding;
  return outcome;
}

// Settled without a try: there is nothing to send, or nothing that may be sent. It never counts against the endpoint.
void Lane::refuse(Item& item) {
  item.mark.give_back();
  if (removed_) return;
  auto const& rendered = *item.rendered;
  if (rendered.refusal == Refusal::nonconforming) {
    auto outcome = refused(rendered);
    tell_attempt(item, outcome, model::AttemptOutcome::failed);
    if (!std::exchange(told_nonconforming_, true))
      tools_.log.warning(
          "events are not sent: their form breaks the rules of the stream's format",
          {{"stream", stream_.id.text()}, {"event", item.event.text()}, {"why", rendered.finding}});
    meters_->refused.add();
    keep_undelivered(item, outcome, outcome.at);
    record(item, outcome, model::AttemptOutcome::failed);
    return;
  }
  if (rendered.refusal == Refusal::incomplete && !std::exchange(told_incomplete_, true))
    tools_.log.warning(
        "events are not sent: they lack what the stream's format needs",
        {{"stream", stream_.id.text()}, {"event", item.event.text()}, {"why", rendered.finding}});
  ++counters_.skipped;
  meters_->without_form.add();
  end(item);
}

void Lane::lost(Item& item, std::string_view why) {
  item.mark.give_back();
  if (removed_) return;
  note_lost(1, item.event.uuid.time(), item.event.uuid.time());
  if (losses_.may_tell(tools_.clock.now()))
    tools_.log.warning("events are lost before they were delivered",
                       {{"stream", stream_.id.text()},
                        {"event", item.event.text()},
                        {"why", std::string(why)},
                        {"lost_so_far", counters_.lost}});
  end(item);
}

// The disk has trouble: the event waits a little and burns no try. A first try that was held has no row: it is held on.
void Lane::postpone(Item& item, Error const& why) {
  item.mark.give_back();
  auto const later = tools_.clock.now() + 10s;
  if (disk_trouble_.may_tell(tools_.clock.now()))
    tools_.log.warning("events are postponed: the log cannot be read",
                       {{"stream", stream_.id.text()}, {"why", why.what}});
  if (item.row) {
    if (removed_) return;
    item.row->due = later;
    retries_.push(*item.row);
  } else if (!removed_) {
    held_until_ = later;
    held_.push_back(std::move(item));
  }
  wake_at(later);
}

// Taken, but not to be sent: the lane was halted meanwhile.
void Lane::give_back(std::vector<Item>& items, std::size_t from) {
  for (std::size_t i = from; i < items.size(); ++i) {
    items[i].mark.give_back();
    if (items[i].row) {
      if (!removed_) retries_.push(*items[i].row);
    } else if (!removed_) {
      items[i].rendered = nullptr;
      held_.push_back(std::move(items[i]));
    }
  }
  items.resize(from);
}

void Lane::end(Item const& item) {
  if (item.row) {
    end_row(item.work);
  } else {
    end_slot(item.slot);
  }
  mark_changed();
}

void Lane::record(Item const& item, Outcome& outcome, model::AttemptOutcome as) {
  if (item.run_kind != model::Run::test)
    meters_->tries[index_of(as)][index_of(outcome.failure)].add();
  model::Attempt attempt;
  attempt.stream = stream_.id;
  attempt.event = item.event;
  attempt.event_type = item.type;
  attempt.run = item.run_kind;
  attempt.number = static_cast<std::uint8_t>(item.tried() + 1);
  attempt.resent = outcome.resent;
  attempt.reused = outcome.reused;
  attempt.at = outcome.at;
  attempt.outcome = as;
  attempt.failure = outcome.failure;
  attempt.status = outcome.status;
  attempt.took = outcome.took;
  attempt.timing = outcome.timing;
  attempt.address = std::move(outcome.address);
  attempt.http = outcome.http;
  attempt.tls_version = std::move(outcome.tls_version);
  attempt.certificate = std::move(outcome.certificate);
  attempt.reason = std::move(outcome.reason);
  attempt.response_headers = std::move(outcome.response_headers);
  attempt.response_body = std::move(outcome.response_body);
  tools_.store.add_attempt(std::move(attempt));
}

// The store of attempts is the record of them; the log says when an endpoint begins to fail and when that is over.
void Lane::tell_failure(Item const& item, Outcome const& outcome, model::AttemptOutcome as) {
  tell_attempt(item, outcome, as);
  ++failing_.attempts;
  failing_.latest = tools_.clock.now();
  if (failing_.since) return;
  failing_.since = failing_.latest;
  tools_.log.warning(outcome.failure == model::FailureClass::own_side
                         ? "sends begin to fail, by trouble of our own side"
                         : "an endpoint begins to fail",
                     {{"stream", stream_.id.text()},
                      {"name", stream_.name},
                      {"class", std::string(model::name_of(outcome.failure))},
                      {"status", outcome.status},
                      {"address", outcome.address},
                      {"reason", outcome.reason}});
}

// It is over when nothing that failed waits for another try. An endpoint that fails now and then has one such line in five minutes at
// most.
void Lane::tell_success() {
  if (!failing_.since) return;
  auto const now = tools_.clock.now();
  if (retries_.size() + throttle_.retries_under_way() > 0 && now - failing_.latest < 5min) return;
  auto const was = std::exchange(failing_, {});
  tools_.log.info(
      "an endpoint works again",
      {{"stream", stream_.id.text()},
       {"name", stream_.name},
       {"failed_attempts", was.attempts},
       {"failing_s", std::chrono::duration_cast<std::chrono::seconds>(now - *was.since).count()}});
}

void Lane::tell_attempt(Item const& item, Outcome const& outcome, model::AttemptOutcome as) {
  if (!tools_.log.wants(LogLevel::debug)) return;
  tools_.log.debug("attempt failed", {{"stream", stream_.id.text()},
                                      {"event", item.event.text()},
                                      {"event_type", item.type},
                                      {"attempt", item.tried() + 1},
                                      {"outcome", std::string(model::name_of(as))},
                                      {"class", std::string(model::name_of(outcome.failure))},
                                      {"status", outcome.status},
                                      {"duration_ms", whole_ms(outcome.took)},
                                      {"address", outcome.address},
                                      {"reason", outcome.reason}});
}

io::Task<Outcome> Lane::send_test(store::SharedBatch batch) {
  auto const transport = transport_;
  auto rules = rules_;
  rules.test = true;
  Item item;
  item.event = batch->id_of(0);
  item.batch = batch;
  item.accepted_at = batch->accepted_at;
  item.run_kind = model::Run::test;
  auto rendered = tools_.renderer.at_once(rules, *batch, 0);
  if (!rendered) rendered = co_await tools_.renderer.render(rules, batch, 0);
  prepare(item, std::move(rendered));
  if (item.rendered->refusal != Refusal::none) {
    auto outcome = refused(*item.rendered);
    auto const answer = outcome;
    record(item, outcome, model::AttemptOutcome::failed);
    co_return answer;
  }
  std::vector<Entry> entries;
  entries.push_back(entry_of(item));
  auto outcomes = co_await transport->send(std::move(entries));
  check(outcomes.size() == 1, "a transport answers for each entry");
  auto const outcome = outcomes.front();
  auto const as =
      outcome.delivered ? model::AttemptOutcome::delivered : model::AttemptOutcome::failed;
  if (!outcome.delivered) tell_attempt(item, outcome, as);
  record(item, outcomes.front(), as);
  co_return outcome;
}

}  // namespace millrace::delivery
