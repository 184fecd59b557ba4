#include "http_client/http1.h"

#include <fmt/format.h>

#include <charconv>

#include "base/encoding.h"
#include "http/blame.h"

namespace millrace::http::client {

io::Task<Exchanged> Http1::exchange(Ask const& ask, std::shared_ptr<PooledConnection> connection,
                                    Watch& watch, Answer& answer) {
  auto& stream = *connection->stream;
  Reading const under_watch(watch, stream);
  render(ask);
  auto const sent_at = clock_.now();
  send(connection);
  AnswerReader reader(answer, fields_, ask.method == "HEAD", ask.kept_body);
  bool look_first = !answer.reused && ask.url->tls();  // what OpenSSL has read already wakes nobody
  int code = 0;
  for (bool reading = true; reading;) {
    if (!look_first) {
      if (auto const ready = co_await stream.readable(); !ready) break;
    }
    look_first = false;
    for (;;) {
      auto const moved =
          watch.late ? io::Moved{io::Moved::State::failed} : stream.try_read(scratch_);
      if (moved.state == io::Moved::State::again) break;
      if (moved.state != io::Moved::State::done) {
        code = moved.code;
        reading = false;
        if (moved.state == io::Moved::State::ended) reader.ended();
        break;
      }
      bool const first = !reader.has_bytes(), before = reader.head_complete();
      auto const state = reader.take(as_text(std::span(scratch_).first(moved.bytes)));
      if (first || !before) {
        auto const now = clock_.now();
        if (first) answer.first_byte = now - sent_at;
        if (reader.head_complete()) {
          answer.answer = now - sent_at;
          answer.reached = Phase::done;
          watch.late = watch.late || now > watch.deadline;
          if (watch.late) {
            answer.reached = Phase::answer;
            answer.trouble = Trouble::timeout;
            answer.reason = "the answer came too late";
            co_return Exchanged::settled;
          }
        }
      }
      if (before) answer.body_time = clock_.now() - sent_at - answer.answer;
      reading = state != AnswerReader::State::done && state != AnswerReader::State::bad;
      if (!reading) break;
    }
  }
  settle(answer, reader, watch, sent_at, code);
  if (!reader.has_bytes() && !watch.late) co_return Exchanged::silent;
  co_return reader.may_reuse() && !connection->writing ? Exchanged::reusable : Exchanged::settled;
}

void Http1::settle(Answer& answer, AnswerReader const& reader, Watch const& watch,
                   SteadyTime sent_at, int code) {
  if (reader.head_complete()) {
    if (reader.is_done()) return;
    answer.body_cut = true;
    note(answer, watch.late ? "slow body" : "bad framing: the connection broke within the body");
    return;
  }
  answer.reached = Phase::answer;
  answer.answer = clock_.now() - sent_at;
  if (watch.late) {
    answer.trouble = Trouble::timeout;
    answer.reason =
        reader.has_bytes() ? "the header block was not complete in time" : "no answer in time";
  } else if (reader.is_bad()) {
    answer.trouble = Trouble::protocol;
    answer.reason = reader.why_bad();
  } else {
    answer.trouble = blame_of_errno(code) == Blame::ours ? Trouble::own_side : Trouble::broken;
    answer.reason = fmt::format(
        "the connection {}{} {} the answer's header block", code != 0 ? "broke" : "was closed",
        code != 0 ? fmt::format(" ({})", std::generic_category().message(code)) : "",
        reader.has_bytes() ? "within" : "before");
  }
}

void Http1::render(Ask const& ask) {
  auto const& url = *ask.url;
  out_.clear();
  out_ += ask.method;
  out_ += ' ';
  out_ += url.target;
  out_ += " HTTP/1.1\r\nHost: ";
  bool const brackets = url.is_ip && url.host.contains(':');
  if (brackets) out_ += '[';
  out_ += url.host;
  if (brackets) out_ += ']';
  auto const number = [&](std::uint64_t n) {
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
  };
  if (url.port != (url.tls() ? 443 : 80)) {
    out_ += ':';
    number(url.port);
  }
  out_ += "\r\n";
  out_ += ask.head;
  out_ += ask.fresh;
  if (!ask.body.empty() ||
      (ask.method != "GET" && ask.method != "HEAD" && ask.method != "DELETE")) {
    out_ += "Content-Length: ";
    number(ask.body.size());
    out_ += "\r\n";
  }
  out_ += "\r\n";
  out_ += ask.body;
}

// What does not fit goes on beside the reading: an endpoint may answer before it has read all. A broken write shows when reading.
void Http1::send(std::shared_ptr<PooledConnection> const& connection) {
  std::string_view left = out_;
  while (!left.empty()) {
    auto const moved = connection->stream->try_write(as_bytes(left));
    if (moved.state == io::Moved::State::done) {
      left.remove_prefix(moved.bytes);
      continue;
    }
    if (moved.state != io::Moved::State::again) {
      connection->writing = true;  // never to be used again
      return;
    }
    connection->unsent = left;
    connection->writing = true;
    tasks_.start(connection, send_rest(*connection));
    return;
  }
}

io::Task<void> Http1::send_rest(PooledConnection& connection) {
  std::string_view left = connection.unsent;
  while (!left.empty()) {
    auto const moved = connection.stream->try_write(as_bytes(left));
    if (moved.state == io::Moved::State::done)
      left.remove_prefix(moved.bytes);
    else if (moved.state != io::Moved::State::again)
      co_return;
    else if (auto const ready = co_await connection.stream->writable(); !ready)
      co_return;
  }
  connection.unsent.clear();
  connection.unsent.shrink_to_fit();
  connection.writing = false;
}

}  // namespace millrace::http::client
