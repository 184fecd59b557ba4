// Events and what became of them, as far as the caller's wall lets see.
#include <fmt/format.h>

#include <map>

#include "api/handlers.h"
#include "api/json_text.h"
#include "api/list.h"
#include "api/streams.h"
#include "model/attempt.h"

namespace millrace::api {
namespace {

constexpr std::size_t most_streams_of_an_event = 200;
constexpr std::size_t most_attempts_of_an_event = 50;

std::string dead_letter_json(store::DeadLetter const& letter) {
  ObjectText text;
  text.text("id", letter.id).time("at", letter.at).text("source", letter.source);
  text.text_or_null("account", letter.account).text("reason", letter.reason);
  text.text("payload", letter.payload);
  return std::move(text).done();
}

// A letter without an account may be anybody's: only who sees all may see it.
bool may_see(model::Principal const& who, std::string const& account) {
  return account.empty() ? who.sees_all() : who.sees(account);
}

class LetterRows final : public RowSource {
 public:
  LetterRows(store::Store& store, model::Principal who) : store_(store), who_(std::move(who)) {}

  io::Task<Result<Rows>> read(std::string after, std::size_t most) override {
    auto const page = co_await store_.dead_letters(std::move(after), {most, ListLimits::raw_bytes});
    if (!page) co_return pass(page);
    Rows rows;
    for (auto const& letter : page->items)
      if (may_see(who_, letter.account)) rows.items.push_back(dead_letter_json(letter));
    rows.next = page->next;
    co_return rows;
  }

 private:
  store::Store& store_;
  model::Principal who_;
};

struct Tried {
  std::map<StreamId, std::vector<std::string>> of_streams;  // attempts, as JSON, newest first
  bool cut = false;                                         // there may be more
};

// What was tried with an event, by whichever data stream: one search for all of them, within bounds.
io::Task<Result<Tried>> attempts_of(Context& context, EventId event, WallTime accepted_at) {
  Tried tried;
  store::AttemptQuery query;
  query.any_stream = true;
  query.event = event;
  query.since = accepted_at;
  query.limit = most_items;
  query.most_bytes = ListLimits::raw_bytes;
  std::size_t bytes = 0;
  for (int reads = 0; reads < 4 && bytes < ListLimits::piece_bytes; ++reads) {
    auto page = co_await context.parts.store.attempts(query);
    if (!page) co_return pass(page);
    for (auto const& attempt : page->items) {
      auto& items = tried.of_streams[attempt.stream];
      if (items.size() == most_attempts_of_an_event) {
        tried.cut = true;
        continue;
      }
      items.push_back(model::to_json(attempt));
      bytes += items.back().size();
    }
    query.after = std::move(page->next);
    if (query.after.empty()) co_return tried;
  }
  tried.cut = true;
  co_return tried;
}

}  // namespace

Answer show_event(Context& context, Call const& call) {
  constexpr auto nothing = "there is no such event in the log";
  auto const id = EventId::parse(call.ids.front());
  if (!id) co_return problem(404, nothing);
  auto const found = co_await context.parts.store.find(*id);
  if (!found && found.error().fault == Fault::missing) co_return problem(404, nothing);
  if (!found) co_return failed(context, "find an event", found.error());
  auto const& [batch, index] = *found;
  auto const event = batch->events[index];
  auto const& kind = batch->events.kinds()[event.kind].kind;
  if (!call.principal.sees(kind.account)) co_return problem(404, nothing);

  auto const tried = co_await attempts_of(context, *id, batch->accepted_at);
  if (!tried) co_return failed(context, "read attempts", tried.error());
  std::vector<std::string> fates;
  bool cut = false;
  for (auto const& stream : context.parts.registry.streams()) {
    if (!call.principal.sees(stream->account)) continue;
    if (stream->account != "*" && stream->account != kind.account) continue;
    auto const attempts = tried->of_streams.find(stream->id);
    bool const is_there = attempts != tried->of_streams.end();
    if (!is_there && !stream->selects(kind.type)) continue;
    if ((cut = fates.size() == most_streams_of_an_event)) break;
    ObjectText fate;
    fate.text("id", stream->id.text()).text("name", stream->name);
    fate.truth("selects_now", stream->selects(kind.type));
    fate.raw("attempts", is_there ? list_json(attempts->second) : "[]");
    fates.push_back(std::move(fate).done());
  }
  ObjectText text;
  text.text("id", id->text()).text("event_type", kind.type).text("account", kind.account);
  text.time("accepted_at", batch->accepted_at).raw("event", event.payload);
  text.raw("data_streams", list_json(fates)).truth("more_data_streams", cut);
  text.truth("more_attempts", tried->cut);
  co_return json_answer(200, std::move(text).done());
}

Answer list_dead_letters(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto const dropped = co_await context.parts.store.dropped_letters();
  if (!dropped) co_return failed(context, "count dead letters", dropped.error());
  std::uint64_t gone = 0;
  for (auto const& [account, count] : *dropped)
    if (may_see(call.principal, account)) gone += count;
  co_return co_await list_answer(context, call, ask,
                                 std::make_unique<LetterRows>(context.parts.store, call.principal),
                                 fmt::format(R"("dropped":{},)", gone));
}

Answer show_dead_letter(Context& context, Call const& call) {
  auto const letter = co_await context.parts.store.dead_letter(call.ids.front());
  if (!letter && letter.error().fault != Fault::missing)
    co_return failed(context, "read a dead letter", letter.error());
  if (!letter || !may_see(call.principal, letter->account))
    co_return problem(404, "there is no such dead letter");
  co_return json_answer(200, dead_letter_json(*letter));
}

Answer list_accounts(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto const taken = co_await take_census(context);
  if (!taken) co_return failed(context, "count the events of the log", taken.error());
  auto const& census = *taken;

  struct Used {
    std::uint64_t streams = 0, events = 0;
  };
  std::map<std::string, Used> used;
  auto const& who = call.principal;
  auto const note = [&](std::string const& account) -> Used* {
    return account != "*" && who.sees(account) ? &used[account] : nullptr;
  };
  for (auto const& account : who.accounts) note(account);
  for (auto const& stream : context.parts.registry.streams())
    if (auto* const account = note(stream->account)) ++account->streams;
  for (auto const& token : context.parts.registry.tokens())
    for (auto const& account : token.accounts) note(account);
  for (auto const& key : context.parts.registry.access_keys())
    for (auto const& account : key.accounts) note(account);
  for (auto const& [kind, events] : census->kinds)
    if (auto* const account = note(kind.account)) account->events += events;
  for (auto const& [name, events] : census->unnamed)
    if (auto* const account = note(name)) account->events += events;

  using Item = std::pair<std::string, Used>;
  auto const show = [](Item const& item) {
    ObjectText text;
    text.text("account", item.first).number("data_streams", item.second.streams);
    text.number("events_seen", item.second.events);
    return std::move(text).done();
  };
  co_return co_await list_answer(
      context, call, ask,
      item_rows<Item>(
          {used.begin(), used.end()}, [](Item const& item) { return item.first; }, show),
      fmt::format(R"("dropped":{},)", who.sees_all() ? census->uncounted : 0));
}

}  // namespace millrace::api
