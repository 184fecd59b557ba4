// Events and what became of them, as far as the caller's wall lets see.
#include <set>

#include "api/handlers.h"
#include "api/json_text.h"
#include "api/streams.h"
#include "model/attempt.h"

namespace millrace::api {
namespace {

constexpr std::size_t most_streams_of_an_event = 200;
constexpr std::size_t most_attempts_of_an_event = 50;
constexpr std::size_t most_pages =
    50;  // read for one answer, where most of what is there is behind the wall

std::string dead_letter_json(store::DeadLetter const& letter) {
  ObjectText text;
  text.text("id", letter.id).time("at", letter.at).text("source", letter.source);
  text.text_or_null("account", letter.account).text("reason", letter.reason);
  text.text("payload", letter.payload);
  return std::move(text).done();
}

// A letter without an account may be anybody's: only who sees all may see it.
bool may_see(model::Principal const& who, store::DeadLetter const& letter) {
  return letter.account.empty() ? who.sees_all() : who.sees(letter.account);
}

std::string no_letter() { return "there is no such dead letter"; }

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

  std::vector<std::string> fates;
  bool cut = false;
  for (auto const& stream : context.parts.registry.streams()) {
    if (!call.principal.sees(stream->account)) continue;
    if (stream->account != "*" && stream->account != kind.account) continue;
    if ((cut = fates.size() == most_streams_of_an_event)) break;
    store::AttemptQuery query;
    query.stream = stream->id;
    query.event = *id;
    query.limit = most_attempts_of_an_event;
    auto const attempts = co_await context.parts.store.attempts(std::move(query));
    if (!attempts) co_return failed(context, "read attempts", attempts.error());
    if (attempts->items.empty() && !stream->selects(kind.type)) continue;
    std::vector<std::string> items;
    for (auto const& attempt : attempts->items) items.push_back(model::to_json(attempt));
    ObjectText fate;
    fate.text("id", stream->id.text()).text("name", stream->name);
    fate.truth("selects_now", stream->selects(kind.type)).raw("attempts", list_json(items));
    fates.push_back(std::move(fate).done());
  }
  ObjectText text;
  text.text("id", id->text()).text("event_type", kind.type).text("account", kind.account);
  text.time("accepted_at", batch->accepted_at).raw("event", event.payload);
  text.raw("data_streams", list_json(fates)).truth("more_data_streams", cut);
  co_return json_answer(200, std::move(text).done());
}

Answer list_dead_letters(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  std::vector<std::string> items;
  std::string after = ask.after;
  for (std::size_t pages = 0; pages < most_pages && items.size() < ask.limit; ++pages) {
    auto page = co_await context.parts.store.dead_letters(after, ask.limit - items.size());
    if (!page) co_return failed(context, "read dead letters", page.error());
    for (auto const& letter : page->items)
      if (may_see(call.principal, letter)) items.push_back(dead_letter_json(letter));
    after = std::move(page->next);
    if (after.empty()) break;
  }
  co_return list_answer(items, after);
}

Answer show_dead_letter(Context& context, Call const& call) {
  std::string after;
  do {
    auto page = co_await context.parts.store.dead_letters(after, most_items);
    if (!page) co_return failed(context, "read dead letters", page.error());
    for (auto const& letter : page->items) {
      if (letter.id != call.ids.front()) continue;
      if (!may_see(call.principal, letter)) co_return problem(404, no_letter());
      co_return json_answer(200, dead_letter_json(letter));
    }
    after = std::move(page->next);
  } while (!after.empty());
  co_return problem(404, no_letter());
}

Answer list_accounts(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto const census = co_await take_census(context);
  if (!census) co_return failed(context, "count the events of the log", census.error());

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

  std::vector<std::pair<std::string, Used>> const items(used.begin(), used.end());
  co_return page_answer(
      items, ask, [](auto const& item) { return item.first; },
      [](auto const& item) {
        ObjectText text;
        text.text("account", item.first).number("data_streams", item.second.streams);
        text.number("events_seen", item.second.events);
        return std::move(text).done();
      });
}

}  // namespace millrace::api
