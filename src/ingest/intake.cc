#include "ingest/intake.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::ingest {
namespace {

constexpr std::size_t reason_bytes = 300;
constexpr Duration first_pause = std::chrono::milliseconds(25);
constexpr Duration longest_pause = std::chrono::milliseconds(400);

}  // namespace

std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

bool Sorter::may_send_for(std::string_view account) {
  // A request is nearly always of one account.
  if (account == allowed_) return true;
  if (!who_.sees(account)) return false;
  allowed_ = account;
  return true;
}

bool Sorter::is_json(std::string_view text) {
  // As deep as the parser itself goes: what is too deep for an event may be JSON all the same.
  return parser_.validate(without_bom(text), {.bytes = model::Limits::event_bytes, .depth = 1000})
      .has_value();
}

std::optional<Refused> Sorter::add(std::string_view text) {
  text = without_bom(text);
  if (text.size() > model::Limits::event_bytes)
    return Refused{Refusal::too_large,
                   fmt::format("event: {} bytes are more than the {} that one may have",
                               text.size(), model::Limits::event_bytes)};
  auto const event = json::split_event(text, parser_);
  if (!event) return Refused{Refusal::invalid, std::string(cut(event.error().what, reason_bytes))};
  auto const account = event->account();
  if (account.empty())
    return Refused{
        Refusal::no_account,
        "event: names no account (neither body.root_account_uuid nor metadata.root_account_uuid)"};
  if (!may_send_for(account))
    return Refused{Refusal::denied, fmt::format("event: account not allowed for this {}: {}",
                                                credential_, cut(account, 100))};
  block_.add(account, event->event_name, event->metadata, event->body);
  return std::nullopt;
}

io::Task<std::optional<Refused>> Sorter::add(std::string_view text, Aside& aside) {
  co_return co_await aside.run([this, text] { return add(text); });
}

void count(RejectCounts& counts, Refusal why, std::uint64_t events) {
  if (events == 0) return;
  switch (why) {
    case Refusal::invalid:
      return counts.invalid.add(events);
    case Refusal::too_large:
      return counts.too_large.add(events);
    case Refusal::no_account:
      return counts.no_account.add(events);
    case Refusal::denied:
      return counts.denied.add(events);
  }
}

std::string loop_refusal(IngestParts const& parts, http::ServerRequest const& request,
                         RejectCounts& counts) {
  auto const header = request.header("Millrace-Stream-Id");
  auto const stream = header ? StreamId::parse(*header) : std::nullopt;
  if (!stream || !parts.is_our_stream || !parts.is_our_stream(*stream)) return {};
  counts.loop.add();
  parts.log.warning("a data stream delivers to this node itself: refused",
                    {{"stream", stream->text()}});
  return fmt::format(
      "This event comes from data stream {} of this node itself, and would go round for ever. Give "
      "that stream another address.",
      stream->text());
}

io::Task<Result<store::Appended>> append_held(IngestParts const& parts, model::EventBlock block,
                                              std::function<io::Task<model::EventBlock>()> rebuild,
                                              std::optional<store::RepeatKey> repeat,
                                              Duration hold) {
  auto const end = parts.clock.now() + std::chrono::duration_cast<SteadyTime::duration>(hold);
  auto appended = co_await parts.store.append(std::move(block), repeat);
  if (appended || appended.error().fault != Fault::busy) co_return appended;

  auto const kept = co_await rebuild();
  for (Duration pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
    Duration const left = end - parts.clock.now();
    if (left <= Duration::zero()) co_return appended;
    co_await parts.clock.sleep_for(std::min(pause, left));
    appended = co_await parts.store.append(kept, repeat);
    if (appended || appended.error().fault != Fault::busy) co_return appended;
  }
}

}  // namespace millrace::ingest
