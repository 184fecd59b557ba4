#include "http_client/http2.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "base/encoding.h"
#include "http/blame.h"

namespace millrace::http::client {
namespace {

constexpr std::size_t record_bytes = 16 * 1024;  // of TLS
constexpr auto silence = std::chrono::seconds(5);

std::string in_words(int code) {
  return code == 0 ? "the connection was closed before the end of the header block"
                   : fmt::format("the connection broke ({}) before the end of the header block",
                                 std::generic_category().message(code));
}

}  // namespace

class Http2::Stream final : public Http2Stream {
 public:
  Stream(Http2& of, Ask const& ask, Answer& answer)
      : Http2Stream(ask, answer), changed(of.needs_.tasks.executor()), http2_(of) {}
  ~Stream() override {
    if (state() == State::none || over()) return;
    auto& engine = http2_.engine_;
    engine.abandon(*this);
    if (engine.is_retired() && engine.live() == 0) {
      http2_.close();
      return;
    }
    http2_.flush_soon();
    http2_.needs_.changed(http2_);
  }
  io::Signal changed;

 private:
  void became_over() override { changed.notify(); }
  Http2& http2_;
};

Http2::Http2(std::shared_ptr<PooledConnection> connection, Needs needs)
    : connection_(std::move(connection)),
      needs_(std::move(needs)),
      engine_(needs_.streams),
      idle_since_(needs_.clock.now()) {}

void Http2::start() {
  flush_soon();
  needs_.tasks.start(shared_from_this(), read());
}

io::Task<Exchanged> Http2::exchange(Ask const& ask, Watch& watch, Answer& answer) {
  using State = Http2Stream::State;
  auto const self = shared_from_this();
  Stream stream(*this, ask, answer);
  auto const sent_at = needs_.clock.now();
  if (!engine_.begin(stream))
    co_return engine_.is_ending() && engine_.served() == 0 ? Exchanged::refused : Exchanged::unsent;
  flush_soon();
  {
    Waiting const waiting(watch, stream.changed);
    while (!stream.over() && !watch.late) co_await stream.changed.wait();
  }
  bool const head = stream.head_at() != SteadyTime{};
  if (stream.has_bytes()) answer.first_byte = stream.first_byte_at() - sent_at;
  auto const ended_at = stream.over() ? stream.over_at() : needs_.clock.now();
  if (head && stream.head_at() <= watch.deadline) {
    answer.reached = Phase::done;
    answer.answer = stream.head_at() - sent_at;
    answer.body_time = ended_at - stream.head_at();
    if (!stream.over()) {
      answer.body_cut = true;
      note(answer, "slow body");
    }
    co_return Exchanged::settled;
  }
  answer.reached = Phase::answer;
  answer.answer = ended_at - sent_at;
  if (head || !stream.over()) {
    answer.trouble = Trouble::timeout;
    answer.reason = head                 ? "the answer came too late"
                    : stream.has_bytes() ? "the header block was not complete in time"
                                         : "no answer in time";
    // A connection on which nothing whole comes any more is not given to others.
    if (engine_.last_frame_at() + silence < needs_.clock.now()) engine_.retire();
    co_return Exchanged::settled;
  }
  answer.trouble = stream.state() == State::bad ? Trouble::protocol
                   : ours_                      ? Trouble::own_side
                                                : Trouble::broken;
  answer.reason = stream.why();
  if (stream.state() == State::refused) co_return Exchanged::refused;
  // A connection that ends before it has served anybody is a refusal, too.
  if (stream.state() == State::unprocessed && engine_.served() == 0) co_return Exchanged::refused;
  if (stream.state() == State::unprocessed)
    co_return stream.was_sent() ? Exchanged::untouched : Exchanged::unsent;
  co_return stream.state() == State::silent ? Exchanged::silent : Exchanged::settled;
}

// Requests that are begun in one turn of the loop go out together.
void Http2::flush_soon() {
  if (over_ || std::exchange(flush_posted_, true)) return;
  io::asio::post(needs_.tasks.executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void Http2::flush() {
  auto const live_before = engine_.live();
  while (!over_ && !writing_) {
    if (written_ == out_.size()) {
      out_.clear();
      written_ = 0;
      engine_.give(out_);
      if (out_.empty()) break;
    }
    if (!write()) break;
  }
  if (engine_.live() == 0 && live_before > 0) came_to_rest();
  if (engine_.is_over()) end("the connection was closed");
}

bool Http2::write() {
  while (written_ < out_.size()) {
    auto const next = std::string_view(out_).substr(written_, record_bytes);
    auto const moved = connection_->stream->try_write(as_bytes(next));
    if (moved.state == io::Moved::State::done) {
      written_ += moved.bytes;
      engine_.note_sent(moved.bytes);
      continue;
    }
    if (moved.state == io::Moved::State::again) {
      writing_ = true;
      needs_.tasks.start(shared_from_this(), write_rest());
    } else {
      take_all();  // a peer that takes nothing more may have said why, and what it has not processed
      end(moved.code);
    }
    return false;
  }
  return true;
}

io::Task<void> Http2::write_rest() {
  auto const ready = co_await connection_->stream->writable();
  writing_ = false;
  if (ready) flush();
}

io::Task<void> Http2::read() {
  auto& stream = *connection_->stream;
  for (bool look_first = true; !over_; look_first = false) {
    if (!look_first) {
      if (auto const ready = co_await stream.readable(); !ready) break;
    }
    auto const room_before = engine_.room();
    auto const live_before = engine_.live();
    take_all();
    if (engine_.live() == 0 && live_before > 0) came_to_rest();
    flush();
    if (!over_ && engine_.room() > room_before) needs_.changed(*this);
  }
  end("the connection was closed");
}

void Http2::came_to_rest() {
  idle_since_ = needs_.clock.now();
  if (needs_.rests) needs_.rests(*this);
}

void Http2::take_all() {
  while (!over_ && !engine_.is_over()) {
    auto const moved = connection_->stream->try_read(needs_.scratch);
    if (moved.state == io::Moved::State::again) return;
    if (moved.state != io::Moved::State::done) return end(moved.code);
    engine_.take(as_text(needs_.scratch.first(moved.bytes)), needs_.clock.now());
  }
}

void Http2::end(std::string const& why) {
  if (std::exchange(over_, true)) return;
  engine_.ended(why, needs_.clock.now());
  connection_->stream->close();
  needs_.changed(*this);
}

void Http2::end(int code) {
  ours_ = ours_ || (!over_ && blame_of_errno(code) == Blame::ours);
  end(in_words(code));
}

void Http2::close() {
  if (over_) return;
  engine_.say_goodbye();
  if (!writing_) flush();
  end("the connection was closed");
}

}  // namespace millrace::http::client
