#include "ingest/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "crypto/digest.h"
#include "ingest/events_body.h"
#include "ingest/expand.h"
#include "ingest/intake.h"
#include "ingest/problem.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  auto const begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

http::ServerResponse unauthorized(std::string_view detail) {
  auto answer = problem(401, "Unauthorized", detail);
  answer.headers.push_back({"WWW-Authenticate", "Bearer"});
  return answer;
}

http::ServerResponse json_answer(std::string body) {
  return {200, {{"Content-Type", "application/json"}}, std::move(body)};
}

bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= EventsLimits::idempotency_key &&
         std::ranges::all_of(key, [](char c) {
           return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7F;
         });
}

http::ServerResponse later(std::string_view why) {
  auto answer =
      problem(503, "Service Unavailable",
              fmt::format("The events were not stored ({}): send them again after a moment.", why));
  answer.headers.push_back({"Retry-After", "2"});
  return answer;
}

// The body as the producer had it before it was compressed, whether a header says so or its first bytes. An answer where there is no
// such body.
io::Task<std::optional<http::ServerResponse>> expand_body(http::ServerRequest& request,
                                                          ExpandedMemory::Hold& held,
                                                          TurnMeter* meter) {
  auto coding = coding_named(request.header("Content-Encoding"));
  if (!coding) {
    auto answer = problem(415, "Unsupported Media Type", coding.error());
    answer.headers.push_back({"Accept-Encoding", "gzip, zstd"});
    co_return answer;
  }
  if (!*coding) *coding = coding_of(request.body);
  if (!*coding) co_return std::nullopt;
  auto expanded = co_await expand(**coding, request.body, EventsLimits::body_bytes, held, meter);
  if (expanded) {
    request.body = std::move(*expanded);
    co_return std::nullopt;
  }
  switch (expanded.error()) {
    case ExpandTrouble::damaged:
      co_return problem(400, "Bad Request",
                        "The compressed body is damaged, or of another encoding than it says.");
    case ExpandTrouble::too_large:
      co_return problem(413, "Content Too Large",
                        fmt::format("The body is larger than {} bytes when it is expanded.",
                                    EventsLimits::body_bytes));
    case ExpandTrouble::no_memory:
      co_return later("there is no memory for expanding them");
  }
  std::abort();
}

// The answer to a body that could be read: 200, or 422 where nothing of it was taken.
http::ServerResponse answer_to(EventsOfBody const& body, std::size_t accepted) {
  auto members = fmt::format(R"("accepted":{},"rejected":[{}])", accepted, body.rejected);
  if (accepted > 0 || body.events == 0) return json_answer('{' + members + '}');
  return problem_with(
      422, "Unprocessable Content",
      fmt::format("None of the {} events was accepted; `rejected` says why.", body.events),
      none_accepted, members);
}

// The block of a body that has been read before.
io::Task<model::EventBlock> read_again(http::ServerRequest& request, BodyForm form,
                                       model::Principal const& who, Aside& aside) {
  auto again = co_await read_events(request.body, form, who, EventsLimits::events, aside);
  check(again.has_value(), "what could be read once can be read again");
  std::string().swap(request.body);  // the block is the only copy from here on
  co_return std::move(again->block);
}

}  // namespace

Events::Events(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected,
               ExpandedMemory& expanded, Aside& aside)
    : parts_(parts), settings_(settings), rejected_(rejected), expanded_(expanded), aside_(aside) {}

std::expected<model::Principal, http::ServerResponse> Events::authenticate(
    http::ServerRequest const& request) const {
  auto const header = request.header("Authorization");
  if (!header)
    return std::unexpected(unauthorized("Send a producer's token: Authorization: Bearer TOKEN."));
  auto const space = std::min(header->find(' '), header->size());
  if (lower(header->substr(0, space)) != "bearer")
    return std::unexpected(
        unauthorized("The Authorization header is not of the form: Bearer TOKEN."));
  auto principal = parts_.credentials.token(trimmed(header->substr(space)));
  if (!principal) return std::unexpected(unauthorized("There is no such token."));
  if (!principal->may_produce())
    return std::unexpected(
        problem(403, "Forbidden",
                "This token may not send events: its role is neither producer nor owner."));
  return std::move(*principal);
}

io::Task<http::ServerResponse> Events::handle(http::ServerRequest request) {
  if (request.method != "POST") {
    auto answer = problem(405, "Method Not Allowed", "Events are sent with POST.");
    answer.headers.push_back({"Allow", "POST"});
    co_return answer;
  }
  auto who = authenticate(request);
  if (!who) co_return std::move(who.error());
  if (auto const loop = loop_refusal(parts_, request, rejected_); !loop.empty())
    co_return problem(508, "Loop Detected", loop);
  auto const form = form_of(request.header("Content-Type"));
  if (!form) co_return problem(415, "Unsupported Media Type", form.error());
  if (request.body.size() > EventsLimits::body_bytes)
    co_return problem(413, "Content Too Large",
                      fmt::format("The body is larger than {} bytes.", EventsLimits::body_bytes));
  auto const key = request.header("Idempotency-Key");
  if (key && !is_idempotency_key(*key))
    co_return problem(400, "Bad Request",
                      "Idempotency-Key has 1 to 255 characters, none of them a control character.");

  ExpandedMemory::Hold held(expanded_, who->id);
  auto const hash = [&body = request.body] { return crypto::sha256(body); };
  std::string sent_hash;
  if (key) sent_hash = aside_.takes(request.body.size()) ? co_await aside_.run(hash) : hash();
  if (auto unread = co_await expand_body(request, held, parts_.turns)) co_return std::move(*unread);
  auto body = co_await read_events(request.body, *form, *who, EventsLimits::events, aside_);
  if (!body) co_return std::move(body.error());
  auto const events = body->block.size();
  auto answer = answer_to(*body, events);
  auto const note_refused = [&] {
    for (std::size_t i = 0; i < body->refused.size(); ++i)
      count(rejected_, static_cast<Refusal>(i), body->refused[i]);
  };
  if (events == 0) {
    note_refused();
    co_return answer;
  }
  std::optional<store::RepeatKey> repeat;
  if (key) {
    // An answer that is too long to be kept is made again from the body, which is the same.
    auto kept = answer.body.size() <= 64 * 1024 ? answer.body : std::string();
    repeat = store::RepeatKey{fmt::format("json:{}:{}", who->id, *key), sent_hash, std::move(kept),
                              std::chrono::hours(24)};
  }
  auto const rebuild = [&] { return read_again(request, *form, *who, aside_); };
  auto appended = co_await append_held(parts_, std::move(body->block), rebuild, std::move(repeat),
                                       std::min(settings_.hold, EventsLimits::hold));
  if (appended) {
    if (appended->repeated && !appended->answer.empty())
      co_return json_answer(std::move(appended->answer));
    if (!appended->repeated) note_refused();
    co_return answer;
  }
  if (appended.error().fault == Fault::conflict)
    co_return problem(422, "Unprocessable Content",
                      "This Idempotency-Key was used with another body.", key_reused);
  rejected_.busy.add(events);
  parts_.log.warning("events not stored",
                     {{"door", "json"}, {"events", events}, {"error", appended.error().what}});
  if (appended.error().fault != Fault::busy)
    co_return problem(500, "Internal Server Error",
                      "The events could not be stored; see the server's log.");
  co_return later(appended.error().what);
}

}  // namespace millrace::ingest
