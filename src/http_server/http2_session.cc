#include "http_server/http2_session.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <string>
#include <utility>

#include "base/encoding.h"
#include "http/tls.h"
#include "http_server/http2_serving.h"

namespace millrace::http::server {
namespace {

constexpr int reads_a_turn = 16;  // of 16 KiB; then others of the loop have theirs
constexpr auto goodbye_time = std::chrono::seconds(2);

// What the connection's own Task and those of its requests share. The latter may outlive the former when all are cancelled.
class Talk : public std::enable_shared_from_this<Talk> {
 public:
  explicit Talk(Connection& connection)
      : core_(connection.core),
        loop_(connection.loop),
        c_(&connection),
        engine_(core_, connection.stream->peer()),
        changed_(loop_.executor) {}

  io::Task<void> run();
  void sweep() {
    engine_.sweep();
    flush();
  }
  void drain() {
    engine_.drain();
    flush();
  }
  void late();
  void let_go() { c_ = nullptr; }  // of the connection

 private:
  static io::Task<void> serve(std::shared_ptr<Talk> self, Http2Serving::Ready ready);
  static io::Task<void> feed(Talk& self, Http2Serving::StreamId stream, BodySource& source);
  static io::Task<void> write_rest(std::shared_ptr<Talk> self);
  void take();
  void flush_soon();
  void flush();
  bool write();  // false: it must wait, or the connection is broken
  void enter_stage();
  void say_goodbye();
  bool is_over() const { return broken_ || (engine_.is_over() && written_ == out_.size()); }

  ServerCore& core_;
  ServerLoop& loop_;
  Connection* c_;
  Http2Serving engine_;
  io::Signal changed_;
  std::string out_;
  std::size_t written_ = 0;  // of out_
  std::size_t working_ = 0;  // serve()
  bool writing_ = false, flush_posted_ = false, broken_ = false;
};

io::Task<void> Talk::run() {
  auto const self = shared_from_this();
  c_->enter(Stage::idle, core_.limits.idle_time);
  take();
  for (int reads = 0; !is_over();) {
    while (writing_ && !broken_) co_await changed_.wait();  // who does not read is not read
    if (is_over()) break;
    if (++reads > reads_a_turn) {
      reads = 0;
      co_await io::asio::post(loop_.executor, io::op);
    }
    if (!co_await c_->read_more()) broken_ = true;
    take();
  }
  if (!broken_) co_await c_->linger();
  broken_ = true;
  c_->stream->close();
  c_->enter_handling();
  changed_.notify();
  while (working_ > 0 || writing_) co_await changed_.wait();
}

void Talk::take() {
  auto const bytes = c_->input.bytes();
  if (!bytes.empty()) engine_.take(bytes);
  c_->input.take(bytes.size());
  flush();
}

io::Task<void> Talk::serve(std::shared_ptr<Talk> self, Http2Serving::Ready ready) {
  struct Work {
    Work(Talk& of, Http2Serving::StreamId id) : talk(of), stream(id) { ++talk.working_; }
    ~Work() {
      --talk.working_;
      talk.engine_.leave(stream);
    }
    Work(Work const&) = delete;
    Work& operator=(Work const&) = delete;
    Talk& talk;
    Http2Serving::StreamId stream;
  };
  {
    Work const work(*self, ready.stream);
    auto response = co_await ask_handler(self->core_, std::move(ready.request));
    auto const source = std::move(response.more);
    self->engine_.answer(work.stream, std::move(response), source != nullptr);
    self->flush_soon();
    if (source) co_await feed(*self, work.stream, *source);
  }
  self->flush_soon();
  self->changed_.notify();
}

// The next piece when the one before is out, until the end or until nobody reads.
io::Task<void> Talk::feed(Talk& self, Http2Serving::StreamId stream, BodySource& source) {
  using Appetite = Http2Serving::Appetite;
  for (;;) {
    while (!self.broken_ && self.engine_.appetite(stream) == Appetite::full)
      co_await self.changed_.wait();
    if (self.broken_ || self.engine_.appetite(stream) == Appetite::gone) co_return;
    auto piece = co_await next_piece(source);
    if (!piece) {
      self.engine_.cut(stream);
      co_return;
    }
    bool const last = piece->empty();
    self.engine_.more(stream, std::move(*piece));
    self.flush_soon();
    if (last) co_return;
  }
}

// Answers that become ready in one turn of the loop go out together.
void Talk::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  io::asio::post(loop_.executor, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void Talk::flush() {
  while (c_ != nullptr && !broken_ && !writing_) {
    if (written_ == out_.size()) {
      out_.clear();
      written_ = 0;
      engine_.give(out_);
      if (out_.empty()) break;
    }
    if (!write()) break;
  }
  if (c_ == nullptr || broken_) return;
  while (auto ready = engine_.next()) loop_.start(serve(shared_from_this(), std::move(*ready)));
  enter_stage();
  if (is_over()) say_goodbye();
  if (working_ > 0) changed_.notify();
}

bool Talk::write() {
  auto const moved = c_->stream->try_write(as_bytes(std::string_view(out_).substr(written_)));
  if (moved.state == io::Moved::State::done) {
    written_ += moved.bytes;
    if (c_->stage() == Stage::writing) c_->earn(core_.limits.write_pace, moved.bytes);
    return true;
  }
  if (moved.state == io::Moved::State::again) {
    writing_ = true;
    if (c_->stage() != Stage::writing) c_->enter(Stage::writing, core_.limits.write_pace);
    loop_.start(write_rest(shared_from_this()));
  } else {
    broken_ = true;
    c_->stream->close();  // who reads finds out
  }
  return false;
}

io::Task<void> Talk::write_rest(std::shared_ptr<Talk> self) {
  if (self->c_ == nullptr) co_return;
  auto const ready = co_await self->c_->stream->writable();
  self->writing_ = false;
  if (!ready) self->broken_ = true;
  self->flush();
  self->changed_.notify();
}

void Talk::enter_stage() {
  if (writing_ || c_->stage() == Stage::lingering) return;
  if (!engine_.is_idle())
    c_->enter_handling();  // each stream has its own deadline
  else if (c_->stage() != Stage::idle)
    c_->enter(Stage::idle, core_.limits.idle_time);
}

// Whoever reads ends when the peer has seen it, or does not end the connection in time.
void Talk::say_goodbye() {
  if (c_->stage() == Stage::lingering) return;
  if (c_->stream->descriptor() < 0) return c_->stream->close();
  c_->enter(Stage::lingering, goodbye_time);
  if (core_.secure) static_cast<TlsStream&>(*c_->stream).say_goodbye();
  ::shutdown(c_->stream->descriptor(), SHUT_WR);
}

void Talk::late() {
  if (c_->stage() != Stage::idle) return;
  engine_.drain();
  flush();
}

class Http2Session final : public Session {
 public:
  explicit Http2Session(Connection& connection) : talk_(std::make_shared<Talk>(connection)) {}
  ~Http2Session() override { talk_->let_go(); }
  io::Task<void> run() override { return talk_->run(); }
  void late() override { talk_->late(); }
  void drain() override { talk_->drain(); }
  void sweep() override { talk_->sweep(); }

 private:
  std::shared_ptr<Talk> talk_;
};

}  // namespace

std::unique_ptr<Session> http2_session(Connection& connection) {
  return std::make_unique<Http2Session>(connection);
}

}  // namespace millrace::http::server
