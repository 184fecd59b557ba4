// What happened on a data stream, and what it would do now.
#include <algorithm>
#include <boost/json.hpp>

#include "api/handlers.h"
#include "api/json_text.h"
#include "api/list.h"
#include "api/streams.h"
#include "base/nearest.h"
#include "json/reader.h"
#include "model/attempt.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

// The budget of 24 hours (mission): what exceeds either has the stream deactivated.
constexpr std::uint64_t most_timeouts = 9'500;
constexpr std::uint64_t most_errors = 28'000;
// With their payloads, which may have 1 MiB each.
constexpr std::size_t most_whole_items = 10;

std::expected<store::AttemptQuery, FieldFaults> attempt_query(Call const& call, StreamId stream) {
  FieldFaults faults;
  auto page = page_of(call.query, faults);
  store::AttemptQuery out;
  out.stream = stream;
  out.limit = page.limit;
  out.after = std::move(page.after);
  if (auto const word = word_of(call.query, "outcome", {"delivered", "failed", "waiting"}, faults))
    out.outcome = model::parse_attempt_outcome(*word);
  if (auto const at = call.query.find("event_type"); at != call.query.end())
    out.event_type = at->second;
  if (auto const at = call.query.find("event_id"); at != call.query.end()) {
    out.event = EventId::parse(at->second);
    if (!out.event) faults.push_back({"?event_id", "must be a UUID"});
  }
  if (auto const at = call.query.find("since"); at != call.query.end()) {
    auto const since = parse_time(at->second);
    if (since)
      out.since = *since;
    else
      faults.push_back({"?since", "must be a time like 2026-11-21T19:05:12Z"});
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return out;
}

std::string undelivered_json(store::Undelivered const& item, bool whole) {
  ObjectText text;
  text.text("event_id", item.event.text()).text("event_type", item.kind.type);
  text.text("account", item.kind.account).time("accepted_at", item.accepted_at);
  text.time("failed_at", item.failed_at).text_or_null("class", name_of(item.failure));
  if (item.status == 0)
    text.null("status");
  else
    text.number("status", item.status);
  text.text_or_null("reason", item.reason);
  if (whole) text.raw("event", item.payload);
  return std::move(text).done();
}

std::string counters_json(store::Counters const& counters) {
  ObjectText text;
  text.number("matched", counters.matched).number("delivered", counters.delivered);
  text.number("undelivered", counters.undelivered).number("skipped", counters.skipped);
  text.number("lost", counters.lost);
  return std::move(text).done();
}

std::string used_json(std::uint64_t used, std::uint64_t limit) {
  ObjectText text;
  text.number("used", used).number("limit", limit);
  return std::move(text).done();
}

std::string budget_json(std::vector<store::LedgerMinute> const& ledger, std::int64_t from,
                        std::int64_t to) {
  std::uint64_t timeouts = 0;
  std::uint64_t errors = 0;
  for (auto const& minute : ledger) {
    if (minute.minute < from || minute.minute >= to) continue;
    timeouts += minute.undelivered_timeout;
    errors += minute.undelivered_other;
  }
  ObjectText text;
  text.number("window_hours", 24).raw("timeouts", used_json(timeouts, most_timeouts));
  text.raw("errors", used_json(errors, most_errors));
  return std::move(text).done();
}

std::string health_json(model::DataStream const& stream, delivery::StreamStatus const& status,
                        WallTime now, std::string const& budget) {
  ObjectText text;
  text.text("id", stream.id.text()).text("state", name_of(stream.state));
  text.text_or_null("state_reason", name_of(stream.reason));
  text.number("waiting", status.waiting).number("retrying", status.retrying);
  text.number("in_flight", status.in_flight).number("undelivered", status.undelivered);
  if (status.oldest_waiting) {
    auto const age = std::max(Duration(0), Duration(now - *status.oldest_waiting));
    text.decimal("oldest_waiting_seconds", seconds(age));
  } else {
    text.null("oldest_waiting_seconds");
  }
  text.raw("counters", counters_json(status.counters));
  text.time("lost_from", status.lost_from).time("lost_to", status.lost_to);
  text.time("last_success_at", status.last_success).time("last_failure_at", status.last_failure);
  text.text_or_null("last_failure_reason", status.last_failure_reason);
  text.truth("rate_limited", status.rate_limited);
  text.texts("warnings", tls_warnings(stream, now));
  text.number("without_form", status.without_form);
  text.number("format_findings", status.format_findings);
  text.number("format_refused", status.format_refused);
  text.raw("error_budget", budget);
  return std::move(text).done();
}

class AttemptRows final : public RowSource {
 public:
  AttemptRows(store::Store& store, store::AttemptQuery query)
      : store_(store), query_(std::move(query)) {
    query_.most_bytes = ListLimits::raw_bytes;
  }

  io::Task<Result<Rows>> read(std::string after, std::size_t most) override {
    auto query = query_;
    query.after = std::move(after);
    query.limit = most;
    auto const page = co_await store_.attempts(std::move(query));
    if (!page) co_return pass(page);
    Rows rows;
    for (auto const& attempt : page->items) rows.items.push_back(model::to_json(attempt));
    rows.next = page->next;
    co_return rows;
  }
  // Each read is a part of the search, between which the thread that writes attempts has its turn.
  std::size_t most_reads() const override { return 4; }

 private:
  store::Store& store_;
  store::AttemptQuery query_;
};

class UndeliveredRows final : public RowSource {
 public:
  UndeliveredRows(store::Store& store, StreamId stream, model::Principal who, bool whole)
      : store_(store), stream_(stream), who_(std::move(who)), whole_(whole) {}

  io::Task<Result<Rows>> read(std::string after, std::size_t most) override {
    // A payload stands in the answer as it is, all else is short.
    store::PageLimits const limits{most,
                                   whole_ ? ListLimits::piece_bytes / 2 : ListLimits::raw_bytes};
    auto const page =
        co_await store_.undelivered(stream_, std::move(after), limits,
                                    whole_ ? store::Payloads::with : store::Payloads::left_out);
    if (!page) co_return pass(page);
    Rows rows;
    for (auto const& item : page->items)
      if (who_.sees(item.kind.account)) rows.items.push_back(undelivered_json(item, whole_));
    rows.next = page->next;
    co_return rows;
  }

 private:
  store::Store& store_;
  StreamId stream_;
  model::Principal who_;
  bool whole_;
};

// A made event in Canvas form: the catalogue's example, or what was given. It says of itself that it is one, so that no receiver takes
// it for a student's work.
struct MadeEvent {
  model::Kind kind;
  std::string payload;
  std::uint32_t metadata_bytes = 0;
};

MadeEvent made_event(model::DataStream const& stream, std::string type,
                     model::CatalogEvent const* example, std::string const& body, WallTime now) {
  auto const account =
      stream.account == "*" ? "00000000-0000-0000-0000-000000000000" : stream.account;
  boost::json::object metadata;
  if (example != nullptr)
    if (auto parsed = json::parse(example->metadata); parsed && parsed->is_object())
      metadata = std::move(parsed->get_object());
  metadata["event_name"] = type;
  metadata["event_time"] = iso_ms(now);
  metadata["root_account_uuid"] = account;
  metadata["producer"] = "millrace";
  metadata["test"] = true;
  auto const text = boost::json::serialize(metadata);
  model::EventBlock block;
  block.add(account, type, text, body);
  return {{account, std::move(type)},
          std::string(block[0].payload),
          static_cast<std::uint32_t>(text.size())};
}

// An outcome as an attempt is shown, without the event id, which is drawn where it is sent.
std::string outcome_json(delivery::Outcome const& outcome, std::string event_type) {
  model::Attempt attempt;
  attempt.event_type = std::move(event_type);
  attempt.run = model::Run::test;
  attempt.at = outcome.at;
  attempt.outcome =
      outcome.delivered ? model::AttemptOutcome::delivered : model::AttemptOutcome::failed;
  attempt.failure = outcome.failure;
  attempt.status = outcome.status;
  attempt.took = outcome.took;
  attempt.timing = outcome.timing;
  attempt.address = outcome.address;
  attempt.http = outcome.http;
  attempt.tls_version = outcome.tls_version;
  attempt.certificate = outcome.certificate;
  attempt.reason = outcome.reason;
  attempt.resent = outcome.resent;
  attempt.reused = outcome.reused;
  attempt.response_headers = outcome.response_headers;
  attempt.response_body = outcome.response_body;
  auto shown = boost::json::parse(model::to_json(attempt)).get_object();
  shown.erase("event_id");
  return boost::json::serialize(shown);
}

}  // namespace

Answer stream_attempts(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  auto query = attempt_query(call, stream->id);
  if (!query) co_return bad_input(query.error());
  PageAsk ask{query->limit, std::move(query->after)};
  co_return co_await list_answer(
      context, call, std::move(ask),
      std::make_unique<AttemptRows>(context.parts.store, std::move(*query)));
}

Answer stream_undelivered(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  FieldFaults faults;
  bool const whole = word_of(call.query, "include", {"event"}, faults).has_value();
  auto const ask = page_of(call.query, faults, whole ? most_whole_items : most_items);
  if (!faults.empty()) co_return bad_input(faults);
  co_return co_await list_answer(
      context, call, ask,
      std::make_unique<UndeliveredRows>(context.parts.store, stream->id, call.principal, whole));
}

Answer stream_health(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  auto const status = co_await context.parts.dispatcher.status(stream->id);
  if (!status) co_return failed(context, "ask how a data stream is", status.error());
  auto const now = context.parts.clock.wall();
  auto const to = unix_ms(now) / 60'000 + 1;
  auto const from = to - 24 * 60;
  auto const ledger = co_await context.parts.store.ledger(stream->id, from, to);
  if (!ledger) co_return failed(context, "read the ledger", ledger.error());
  co_return json_answer(200, health_json(*stream, *status, now, budget_json(*ledger, from, to)));
}

namespace {

// Why a test of this type cannot be sent; empty: it can. What the catalogue does not know must at least be selected by name.
std::string no_test_of(Context const& context, model::DataStream const& stream,
                       std::string const& type) {
  auto const& catalog = context.parts.catalog;
  bool const named = std::ranges::find(stream.event_types, type) != stream.event_types.end();
  if (catalog.find(type) == nullptr && !named) {
    Nearest nearest(type);
    for (auto const& event : catalog.events()) nearest.consider(event.name);
    for (auto const& own : stream.event_types) nearest.consider(own);
    return "is neither an event of the catalogue nor one that this data stream names" +
           did_you_mean(nearest.found());
  }
  if (stream.format == model::Format::caliper && !context.parts.caliper.has_form(type))
    return "has no Caliper form; /api/v1/event_types?format=caliper lists those that have";
  return {};
}

}  // namespace

Answer test_stream(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  auto const input = body_object(call);
  if (!input) co_return bad_input({{"", input.error().what}});
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*input, "", troubles);
  auto const usual =
      stream->event_types.front() == "*" ? "course_created" : stream->event_types.front();
  auto const type = fields.text("event_type", 1, model::Limits::name_bytes).value_or(usual);
  if (auto const why = no_test_of(context, *stream, type); !why.empty())
    fields.wrong("event_type", why);
  auto const* const body = fields.object("body");
  fields.refuse_others();
  if (!troubles.empty()) co_return bad_input(told(std::move(troubles)));

  auto const* const example = context.parts.catalog.find(type);
  auto const content = body != nullptr      ? boost::json::serialize(*body)
                       : example != nullptr ? example->body
                                            : std::string("{}");
  auto event = made_event(*stream, type, example, content, context.parts.clock.wall());
  auto const outcome = co_await context.parts.dispatcher.test(
      stream->id, std::move(event.kind), std::move(event.payload), event.metadata_bytes);
  if (!outcome) co_return failed(context, "send a test event", outcome.error());
  co_return json_answer(200, outcome_json(*outcome, type));
}

}  // namespace millrace::api
