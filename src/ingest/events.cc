#include "ingest/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "crypto/digest.h"
#include "ingest/intake.h"
#include "ingest/problem.h"
#include "json/strict.h"
#include "json/write.h"

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

// Takes the next line off `rest`.
std::string_view next_line(std::string_view& rest) {
  auto const end = rest.find('\n');
  auto const line = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return line;
}

// Objects that stand on lines of their own: the first line ends one and the next begins another. No single object looks so.
bool looks_like_lines(std::string_view body) {
  auto rest = body;
  if (!trimmed(next_line(rest)).ends_with('}')) return false;
  return trimmed(rest).starts_with('{');
}

enum class Form { json, lines };

// nullopt: a type that is not taken.
std::optional<Form> form_of(std::optional<std::string_view> header) {
  if (!header) return Form::json;
  auto const type = lower(*header);
  auto const name = trimmed(std::string_view(type).substr(0, type.find(';')));
  if (auto const charset = type.find("charset="); charset != type.npos) {
    auto const value = std::string_view(type).substr(charset + 8);
    if (!value.starts_with("utf-8") && !value.starts_with("\"utf-8\"") &&
        !value.starts_with("us-ascii"))
      return std::nullopt;
  }
  if (name == "application/json") return Form::json;
  if (name == "application/x-ndjson" || name == "application/ndjson" || name == "application/jsonl")
    return Form::lines;
  return std::nullopt;
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

}  // namespace

// A body, taken apart.
struct Events::Sorted {
  model::EventBlock block;
  std::string answer;
  std::array<std::uint64_t, 4> refused{};  // by Refusal
};

Events::Events(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected)
    : parts_(parts), settings_(settings), rejected_(rejected) {}

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

std::expected<Events::Sorted, http::ServerResponse> Events::sort(std::string_view body, bool lines,
                                                                 model::Principal const& who) {
  Sorted sorted;
  Sorter sorter(who, "token");
  std::string rejected;
  std::size_t index = 0;
  auto const take = [&](std::string_view text) {
    if (auto const refused = sorter.add(text)) {
      ++sorted.refused[static_cast<std::size_t>(refused->why)];
      fmt::format_to(std::back_inserter(rejected), R"({}{{"index":{},"error":)",
                     rejected.empty() ? "" : ",", index);
      json::append_string(rejected, refused->reason);
      rejected += '}';
    }
    return ++index <= EventsLimits::events;
  };
  auto const too_many = [] {
    return std::unexpected(
        problem(413, "Content Too Large",
                fmt::format("A request holds at most {} events.", EventsLimits::events)));
  };

  body = trimmed(body);
  sorter.block().reserve(body.size(), body.size() / 1024 + 1);
  if (lines || (body.starts_with('{') && looks_like_lines(body))) {
    while (!body.empty())
      if (auto const line = trimmed(next_line(body)); !line.empty() && !take(line))
        return too_many();
  } else if (body.starts_with('[')) {
    json::Parser parser;
    auto const elements = parser.elements(body, {.bytes = EventsLimits::body_bytes, .depth = 65});
    if (!elements)
      return std::unexpected(
          problem(400, "Bad Request",
                  "The array cannot be read: " + std::string(cut(elements.error().what, 300))));
    for (auto const element : *elements)
      if (!take(element)) return too_many();
  } else if (body.starts_with('{')) {
    take(body);
  } else {
    return std::unexpected(
        problem(400, "Bad Request",
                "The body is neither an event, nor an array of them, nor one on each line."));
  }
  sorted.block = std::move(sorter.block());
  sorted.answer =
      fmt::format(R"({{"accepted":{},"rejected":[{}]}})", sorted.block.size(), rejected);
  return sorted;
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
  if (!form)
    co_return problem(415, "Unsupported Media Type",
                      "Send application/json or application/x-ndjson, in UTF-8.");
  if (auto const coding = request.header("Content-Encoding");
      coding && !coding->empty() && lower(*coding) != "identity")
    co_return problem(415, "Unsupported Media Type",
                      "Send the body as it is, without Content-Encoding.");
  if (request.body.size() > EventsLimits::body_bytes)
    co_return problem(413, "Content Too Large",
                      fmt::format("The body is larger than {} bytes.", EventsLimits::body_bytes));
  auto const key = request.header("Idempotency-Key");
  if (key && !is_idempotency_key(*key))
    co_return problem(400, "Bad Request",
                      "Idempotency-Key has 1 to 255 characters, none of them a control character.");

  std::optional<store::RepeatKey> repeat;
  auto sorted = sort(request.body, *form == Form::lines, *who);
  if (!sorted) co_return std::move(sorted.error());
  if (key) {
    // An answer that is too long to be kept is made again from the body, which is the same.
    auto answer = sorted->answer.size() <= 64 * 1024 ? sorted->answer : std::string();
    repeat =
        store::RepeatKey{fmt::format("json:{}:{}", who->id, *key), crypto::sha256(request.body),
                         std::move(answer), std::chrono::hours(24)};
  }
  auto const note_refused = [&] {
    for (std::size_t i = 0; i < sorted->refused.size(); ++i)
      count(rejected_, static_cast<Refusal>(i), sorted->refused[i]);
  };
  auto const events = sorted->block.size();
  if (events == 0) {
    note_refused();
    co_return json_answer(std::move(sorted->answer));
  }
  auto const rebuild = [&] {
    auto again = sort(request.body, *form == Form::lines, *who);
    check(again.has_value(), "what could be read once can be read again");
    request.body = {};  // the block is the only copy from here on
    return std::move(again->block);
  };
  auto appended = co_await append_held(parts_, std::move(sorted->block), rebuild, std::move(repeat),
                                       std::min(settings_.hold, EventsLimits::hold));
  if (appended) {
    if (appended->repeated && !appended->answer.empty())
      co_return json_answer(std::move(appended->answer));
    if (!appended->repeated) note_refused();
    co_return json_answer(std::move(sorted->answer));
  }
  if (appended.error().fault == Fault::conflict)
    co_return problem(422, "Unprocessable Content",
                      "This Idempotency-Key was used with another body.");
  rejected_.busy.add(events);
  parts_.log.warning("events not stored",
                     {{"door", "json"}, {"events", events}, {"error", appended.error().what}});
  if (appended.error().fault != Fault::busy)
    co_return problem(500, "Internal Server Error",
                      "The events could not be stored; see the server's log.");
  auto answer =
      problem(503, "Service Unavailable",
              fmt::format("The events were not stored ({}): send them again after a moment.",
                          appended.error().what));
  answer.headers.push_back({"Retry-After", "2"});
  co_return answer;
}

}  // namespace millrace::ingest
