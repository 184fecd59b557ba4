#include "ingest/events_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ingest/problem.h"
#include "ingest/turns.h"
#include "json/split.h"
#include "json/write.h"

namespace millrace::ingest {
namespace {

using json::Splitter;

constexpr char record_separator = 0x1E;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  std::size_t begin = 0, end = text.size();
  while (begin < end && is_blank(text[begin])) ++begin;
  while (end > begin && is_blank(text[end - 1])) --end;
  return text.substr(begin, end - begin);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

// Takes what stands before the next `mark` off `rest`.
std::string_view next_piece(std::string_view& rest, char mark) {
  auto const end = rest.find(mark);
  auto const piece = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return piece;
}

// Objects that stand on lines of their own: the first line ends one and the next begins another. No single object looks so. With more
// blanks between them than anybody writes they are read as objects that follow each other.
constexpr std::size_t most_blanks = 4096;
bool looks_like_lines(std::string_view body) {
  auto rest = body;
  auto first = next_piece(rest, '\n');
  first.remove_prefix(first.size() - std::min(first.size(), most_blanks));
  return trimmed(first).ends_with('}') && trimmed(rest.substr(0, most_blanks)).starts_with('{');
}

// The value of `charset`, in lower case and without quotes; empty: none is named.
std::string charset_of(std::string_view parameters) {
  while (!parameters.empty()) {
    auto const part = trimmed(next_piece(parameters, ';'));
    if (!part.starts_with("charset=")) continue;
    auto value = trimmed(part.substr(8));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return {};
}

bool is_utf8(std::string_view charset) {
  return charset.empty() || charset == "utf-8" || charset == "utf8" || charset == "us-ascii" ||
         charset == "ascii";
}

http::ServerResponse bad(std::string_view detail) { return problem(400, "Bad Request", detail); }

// Takes one body apart. Its Tasks run one after the other, and end before it does.
class Reading {
 public:
  Reading(model::Principal const& who, std::size_t most_events, Aside& aside)
      : sorter_(who, "token"), most_events_(most_events), aside_(aside), turns_(aside.meter()) {}

  io::Task<void> read(std::string_view body, BodyForm form) {
    if (body.starts_with("\xFF\xFE") || body.starts_with("\xFE\xFF")) {
      stop_ = bad("The body is UTF-16: send it in UTF-8.");
      co_return;
    }
    body = co_await without_blanks(without_bom(body));
    sorter_.block().reserve(body.size(), body.size() / 1024 + 1);
    if (body.starts_with('[')) {
      co_await array(body);
    } else if (body.starts_with(record_separator) || form == BodyForm::sequence) {
      co_await pieces(body, record_separator);
    } else if (form == BodyForm::lines || (body.starts_with('{') && looks_like_lines(body))) {
      co_await pieces(body, '\n');
    } else if (body.starts_with('{')) {
      co_await take_text(body);
    } else {
      stop_ = bad(
          "The body is neither an event, nor an array of them, nor one on each line, nor one after "
          "another.");
    }
  }
  std::expected<EventsOfBody, http::ServerResponse> done() {
    if (stop_) return std::unexpected(std::move(*stop_));
    out_.block = std::move(sorter_.block());
    return std::move(out_);
  }

 private:
  bool is_full() {
    if (out_.events == most_events_)
      stop_ = problem(413, "Content Too Large",
                      fmt::format("A request holds at most {} events.", most_events_));
    return stop_.has_value();
  }
  void refuse(Refused const& refused) {
    ++out_.refused[static_cast<std::size_t>(refused.why)];
    fmt::format_to(std::back_inserter(out_.rejected), R"({}{{"index":{},"error":)",
                   out_.rejected.empty() ? "" : ",", out_.events++);
    json::append_string(out_.rejected, refused.reason);
    out_.rejected += '}';
  }

  // What a sender of nothing but blanks has sent is looked at in turns, too.
  io::Task<std::string_view> without_blanks(std::string_view text) {
    while (!text.empty() && (is_blank(text.front()) || is_blank(text.back()))) {
      auto const bytes = std::min(text.size(), Turns::turn_bytes);
      if (turns_.spend(bytes)) co_await turns_.next();
      auto const front = trimmed(text.substr(0, bytes));
      if (front.empty()) {
        text.remove_prefix(bytes);
        continue;
      }
      text.remove_prefix(static_cast<std::size_t>(front.data() - text.data()));
      auto const back = trimmed(text.substr(text.size() - std::min(text.size(), bytes)));
      auto const cut =
          back.empty()
              ? std::min(text.size(), bytes)
              : static_cast<std::size_t>(text.data() + text.size() - (back.data() + back.size()));
      text.remove_suffix(cut);
    }
    co_return text;
  }

  io::Task<void> pieces(std::string_view rest, char mark) {
    while (!rest.empty() && !stop_) {
      auto const piece = next_piece(rest, mark);
      auto const is_long = piece.size() > Turns::turn_bytes;
      auto const event = is_long ? co_await without_blanks(piece) : trimmed(piece);
      bool const is_large = aside_.takes(event.size());
      if (turns_.spend(is_large ? 0 : event.size())) co_await turns_.next();
      if (event.empty() || is_full()) continue;
      if (is_large) {
        co_await take_text(event);
      } else if (auto refused = sorter_.add(event)) {
        co_await several_or_none(event, std::move(*refused));
      } else {
        ++out_.events;  // no Task for the usual case
      }
    }
  }

  io::Task<void> take_text(std::string_view text) {
    bool const is_large = aside_.takes(text.size());
    if (auto refused = is_large ? co_await sorter_.add(text, aside_) : sorter_.add(text))
      co_await several_or_none(text, std::move(*refused));
    else
      ++out_.events;
  }

  // A text that is not one event is taken as several where objects follow each other in it.
  io::Task<void> several_or_none(std::string_view text, Refused refused) {
    char behind = '\0';
    if (refused.why == Refusal::invalid || refused.why == Refusal::too_large)
      behind = co_await behind_first(text);
    if (behind == '{' || behind == record_separator) {
      co_await sequence(text);
      co_return;
    }
    if (behind == ',')
      refused.reason =
          "event: objects with commas between them need brackets around: send an array, or one on "
          "each line";
    refuse(refused);
  }

  // The first character behind the object that `text` begins with; 0: none.
  io::Task<char> behind_first(std::string_view text) {
    if (!text.starts_with('{')) co_return '\0';
    Splitter splitter(text, Splitter::Row::sequence);
    auto found = Splitter::Found::pause;
    while ((found = splitter.next(Turns::turn_bytes)) == Splitter::Found::pause)
      if (turns_.spend(Turns::turn_bytes)) co_await turns_.next();
    if (found != Splitter::Found::value) co_return '\0';
    auto const behind = co_await without_blanks(text.substr(splitter.position()));
    co_return behind.empty() ? '\0' : behind.front();
  }

  // What was found is about to be looked at, and the text up to there has been.
  bool spend(Splitter::Found found, Splitter const& splitter) {
    if (found != Splitter::Found::value) return turns_.spend(Turns::turn_bytes);
    auto const bytes = splitter.value().size();
    return turns_.spend(aside_.takes(bytes) ? 0 : bytes);
  }

  io::Task<void> sequence(std::string_view events) {
    Splitter splitter(events, Splitter::Row::sequence);
    for (;;) {
      auto const found = splitter.next(Turns::turn_bytes);
      if (found == Splitter::Found::end) co_return;
      if (spend(found, splitter)) co_await turns_.next();
      if (found != Splitter::Found::pause && is_full()) co_return;
      if (found == Splitter::Found::trouble) {
        refuse({Refusal::invalid, fmt::format("event: {}", splitter.trouble())});
        co_return;
      }
      if (found != Splitter::Found::value) continue;
      auto const event = splitter.value();
      take(aside_.takes(event.size()) ? co_await sorter_.add(event, aside_) : sorter_.add(event));
    }
  }

  // Elements are cut out and read one by one: what is no JSON in one of them spoils the whole, as it does for every parser.
  io::Task<void> array(std::string_view events) {
    Splitter splitter(events, Splitter::Row::array);
    for (;;) {
      auto const found = splitter.next(Turns::turn_bytes);
      if (found == Splitter::Found::end) co_return;
      if (found == Splitter::Found::trouble) {
        stop_ = bad(fmt::format("The array cannot be read: it {}.", splitter.trouble()));
        co_return;
      }
      if (spend(found, splitter)) co_await turns_.next();
      if (found != Splitter::Found::value) continue;
      if (is_full()) co_return;
      auto const event = splitter.value();
      bool const is_large = aside_.takes(event.size());
      auto const refused =
          take(is_large ? co_await sorter_.add(event, aside_) : sorter_.add(event));
      if (refused != Refusal::invalid) continue;
      auto const look = [this, event] { return sorter_.is_json(event); };
      if (is_large ? co_await aside_.run(look) : look()) continue;
      stop_ = bad(fmt::format("The array cannot be read: its element {} (from 0) is not JSON.",
                              out_.events - 1));
      co_return;
    }
  }

  std::optional<Refusal> take(std::optional<Refused> const& refused) {
    if (!refused) return ++out_.events, std::nullopt;
    refuse(*refused);
    return refused->why;
  }

  Sorter sorter_;
  std::size_t most_events_;
  Aside& aside_;
  Turns turns_;
  EventsOfBody out_;
  std::optional<http::ServerResponse> stop_;
};

}  // namespace

std::expected<BodyForm, std::string> form_of(std::optional<std::string_view> content_type) {
  if (!content_type) return BodyForm::json;
  auto const type = lower(*content_type);
  std::string_view rest = type;
  auto const name = trimmed(next_piece(rest, ';'));
  if (auto const charset = charset_of(rest); !is_utf8(charset))
    return std::unexpected(fmt::format("The charset is '{}': send UTF-8.", cut(charset, 64)));
  if (name == "application/json" || name == "text/json") return BodyForm::json;
  if (name == "application/json-seq") return BodyForm::sequence;
  for (std::string_view const lines :
       {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl",
        "application/jsonlines", "application/x-jsonlines", "application/json-lines"})
    if (name == lines) return BodyForm::lines;
  return std::unexpected(
      fmt::format("The Content-Type is '{}': send application/json, application/x-ndjson or "
                  "application/json-seq, in UTF-8.",
                  cut(name, 128)));
}

io::Task<std::expected<EventsOfBody, http::ServerResponse>> read_events(std::string_view body,
                                                                        BodyForm form,
                                                                        model::Principal const& who,
                                                                        std::size_t most_events,
                                                                        Aside& aside) {
  Reading reading(who, most_events, aside);
  co_await reading.read(body, form);
  co_return reading.done();
}

}  // namespace millrace::ingest
