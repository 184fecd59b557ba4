#include "http_server/http1_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "http/chunks.h"
#include "http_server/http1_answer.h"

namespace millrace::http::server {
namespace {

constexpr std::size_t body_step = 256 * 1024;  // how a body's share of the memory grows

// A request that is being read.
struct Incoming {
  ServerRequest request;
  Framing framing;
  bool wants_continue = false;
};

constexpr std::size_t large_heads = 256, large_heads_bytes = 16 << 20;

constexpr Refusal gone{0, ""};

class Http1Session final : public Session {
 public:
  explicit Http1Session(Connection& connection) : c_(connection) {}

  io::Task<void> run() override {
    while (co_await exchange()) {
    }
  }
  void late() override {
    if (c_.stage() == Stage::writing) c_.core.refusals.connection("slow_reader");
    if (c_.stage() != Stage::head && c_.stage() != Stage::body) return;
    c_.core.refusals.request(c_.stage() == Stage::head ? "slow_head" : "slow_body");
    auto const bytes = render_refusal({408, "the request did not come in time"}, c_.loop);
    static_cast<void>(c_.stream->try_write(as_bytes(bytes)));
  }
  void drain() override {
    if (c_.stage() == Stage::idle) c_.stream->close();
  }
  void sweep() override {
    if (waits_ && (c_.core.clock.now() >= waits_->until || c_.cannot_send(waits_->missing)))
      room_->notify();
  }

 private:
  using Stopped = std::optional<Refusal>;  // nullopt: go on

  io::Task<bool> exchange();  // false: the connection is over
  io::Task<Stopped> read_head(Incoming& in);
  Stopped find_head(HeadEnd& end, bool& found);
  Stopped hold_large_head();
  Stopped begin(std::string_view head, Incoming& in) const;
  io::Task<Stopped> read_body(Incoming& in);
  io::Task<Stopped> read_counted(std::size_t length, std::string& body);
  io::Task<Stopped> read_chunks(std::string& body);
  // In all; waits for room. `missing`: how many bytes of the body have to come yet; 0: nobody knows.
  io::Task<Stopped> hold(std::size_t bytes, std::size_t missing);
  void wake_when_given(std::size_t bytes);
  Refusal no_room(BodyMemory::Grant grant);
  io::Task<bool> answer(ServerResponse response, AnswerForm form);
  io::Task<bool> send_body(ServerResponse response, AnswerForm form);
  io::Task<bool> send_more(BodySource& source, bool chunked);
  io::Task<void> refuse(Refusal refusal);

  Connection& c_;
  std::optional<BodyMemory::Hold>
      held_;  // of a body that did not come with its head, or a large head
  struct Wait {
    SteadyTime until;
    std::size_t missing;  // how many bytes have to come yet; 0: nobody knows
  };
  std::optional<Wait> waits_;  // for room
  // Shared with what wakes it from other loops.
  std::shared_ptr<io::Signal> const room_ = std::make_shared<io::Signal>(c_.loop.executor);
};

io::Task<bool> Http1Session::exchange() {
  std::optional<Incoming> in(std::in_place);
  auto stopped = co_await read_head(*in);
  if (!stopped) stopped = co_await read_body(*in);
  if (stopped) {
    in.reset();  // the peer may take its time with the answer
    held_.reset();
    co_await refuse(*stopped);
    co_return false;
  }
  AnswerForm form{.minor = in->framing.minor,
                  .head_only = in->request.method == "HEAD",
                  .close = !in->framing.keep_alive};
  c_.enter_handling();
  auto response = co_await ask_handler(c_.core, std::move(in->request));
  in.reset();
  held_.reset();
  form.close = form.close || response.close || c_.loop.draining;
  co_return co_await answer(std::move(response), form);
}

io::Task<Http1Session::Stopped> Http1Session::read_head(Incoming& in) {
  auto const& limits = c_.core.limits;
  c_.enter(Stage::idle, limits.idle_time);
  if (c_.loop.draining && c_.input.empty()) co_return gone;
  HeadEnd end;
  for (bool found = false;;) {
    if (auto stopped = find_head(end, found)) co_return stopped;
    if (found) break;
    if (!c_.input.empty() && c_.stage() == Stage::idle) c_.enter(Stage::head, limits.head_time);
    if (c_.input.bytes().size() > ReadBuffer::size && !held_)
      if (auto stopped = hold_large_head()) co_return stopped;
    if (!co_await c_.read_more()) co_return gone;
  }
  auto const stopped = begin(c_.input.bytes().substr(0, end.size()), in);
  c_.input.take(end.size());
  held_.reset();
  co_return stopped;
}

// Looks at what has come. `end` has seen it up to here.
Http1Session::Stopped Http1Session::find_head(HeadEnd& end, bool& found) {
  // An empty line before a request is forgiven.
  while (!end.begun() && c_.input.bytes().starts_with("\r\n")) c_.input.take(2);
  auto const bytes = c_.input.bytes();
  if (bytes.size() < 2) return std::nullopt;  // it may be half of such a line
  auto const most = c_.core.limits.header_bytes;
  auto const state = end.scan(bytes);
  if (state == HeadEnd::State::bad) return Refusal{400, "a line does not end in CRLF"};
  found = state == HeadEnd::State::found;
  if ((found ? end.size() : bytes.size()) > most) return Refusal{431, "the head is too large"};
  return std::nullopt;
}

// Most heads fit one read. Those that do not have a share of the memory for bodies, as long as they come.
Http1Session::Stopped Http1Session::hold_large_head() {
  held_.emplace(c_.core.bodies, BodyShare{.name = "large heads",
                                          .kind = "large_head",
                                          .bytes = large_heads_bytes,
                                          .bodies = large_heads});
  auto const grant = held_->grow(c_.core.limits.header_bytes);
  if (grant == BodyMemory::Grant::given) return std::nullopt;
  return no_room(grant);
}

Http1Session::Stopped Http1Session::begin(std::string_view head, Incoming& in) const {
  RequestHead line;
  std::vector<Field> fields;
  auto const& limits = c_.core.limits;
  auto bad = read_request_head(head, line, fields, in.framing);
  if (!bad) bad = make_request(line.method, line.target, fields, limits, in.request);
  if (bad) return Refusal{bad->status, bad->why};
  in.request.peer = c_.stream->peer();
  auto const expect = in.request.header("expect");
  if (expect && in.framing.minor == 1) {
    in.wants_continue = same_name(*expect, "100-continue");
    if (!in.wants_continue) return Refusal{417, "the expectation is not 100-continue"};
  }
  if (in.framing.has_length && in.framing.length > limits.body_bytes)
    return Refusal{413, "the body is too large"};
  return std::nullopt;
}

io::Task<Http1Session::Stopped> Http1Session::read_body(Incoming& in) {
  auto& body = in.request.body;
  if (!in.framing.chunked) {  // what came with the head
    auto const came = c_.input.bytes().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                                     in.framing.length, c_.input.bytes().size())));
    body = came;
    c_.input.take(came.size());
    if (body.size() == in.framing.length) co_return std::nullopt;
  }
  held_.emplace(c_.core.bodies, c_.core.admission(in.request));
  c_.enter(Stage::body, c_.core.limits.body_pace);
  if (in.wants_continue && c_.input.empty() && body.empty()) {
    if (auto stopped = co_await hold(0, 0)) co_return stopped;
    if (!co_await c_.send("HTTP/1.1 100 Continue\r\n\r\n")) co_return gone;
    c_.enter(Stage::body, c_.core.limits.body_pace);
  }
  if (in.framing.chunked) co_return co_await read_chunks(body);
  co_return co_await read_counted(static_cast<std::size_t>(in.framing.length), body);
}

// Straight into the body's memory, which is untouched, and so costs nothing, until bytes are there.
io::Task<Http1Session::Stopped> Http1Session::read_counted(std::size_t length, std::string& body) {
  std::size_t have = body.size();
  // libstdc++ 12 tells the operation the capacity instead of the length.
  body.resize_and_overwrite(length, [length](char*, std::size_t) { return length; });
  while (have < length) {
    if (held_->bytes() <= have)
      if (auto stopped = co_await hold(std::min(length, have + body_step), length - have))
        co_return stopped;
    auto const room = std::min(length, held_->bytes()) - have;
    auto const moved =
        c_.stream->try_read(std::as_writable_bytes(std::span(body).subspan(have, room)));
    if (moved.state == io::Moved::State::done) {
      have += moved.bytes;
      c_.earn(c_.core.limits.body_pace, moved.bytes);
      continue;
    }
    if (moved.state != io::Moved::State::again) co_return gone;
    if (auto const ready = co_await c_.stream->readable(); !ready) co_return gone;
  }
  c_.input.awaited();
  co_return std::nullopt;
}

io::Task<Http1Session::Stopped> Http1Session::read_chunks(std::string& body) {
  auto const limit = c_.core.limits.body_bytes;
  ChunkReader chunks;
  for (;;) {
    auto const before = body.size();
    c_.input.take(chunks.take(c_.input.bytes(), body, limit));
    if (chunks.state() == ChunkReader::State::bad)
      co_return Refusal{400, "the chunked body is malformed"};
    if (chunks.decoded() > limit) co_return Refusal{413, "the body is too large"};
    if (chunks.state() == ChunkReader::State::done) co_return std::nullopt;
    c_.earn(c_.core.limits.body_pace, body.size() - before);
    if (held_->bytes() < body.size() + ReadBuffer::size) {
      auto const room =
          std::min(limit + ReadBuffer::size,
                   body.size() + std::max(body_step, body.size()));  // as a string grows
      if (auto stopped = co_await hold(room, 0)) co_return stopped;
      body.reserve(room);
    }
    if (!co_await c_.read_more()) co_return gone;
  }
}

// Waiting here leaves the bytes in the kernel, and so slows the peer down.
io::Task<Http1Session::Stopped> Http1Session::hold(std::size_t bytes, std::size_t missing) {
  auto const& clock = c_.core.clock;
  auto const until =
      clock.now() + std::chrono::duration_cast<SteadyTime::duration>(held_->share().patience);
  for (bool waited = false;; waited = true) {
    auto const grant = held_->grow(bytes);
    if (grant == BodyMemory::Grant::given) {
      if (waited) c_.enter(Stage::body, c_.core.limits.body_pace);
      co_return std::nullopt;
    }
    if (grant == BodyMemory::Grant::crowded || clock.now() >= until) co_return no_room(grant);
    if (c_.cannot_send(missing)) co_return gone;
    c_.enter_handling();
    wake_when_given(bytes);
    waits_ = {until, missing};
    co_await room_->wait();
    waits_.reset();
  }
}

void Http1Session::wake_when_given(std::size_t bytes) {
  held_->wait(bytes, [on = c_.loop.executor, room = std::weak_ptr(room_)] {
    io::asio::post(on, [room] {
      if (auto const waiting = room.lock()) waiting->notify();
    });
  });
}

// What was held goes back before the answer is written, which may take its time.
Refusal Http1Session::no_room(BodyMemory::Grant grant) {
  bool const whole = grant == BodyMemory::Grant::memory_full;
  c_.core.refusals.request(whole ? "memory" : std::string(held_->share().kind) + "_share");
  held_.reset();
  return {503, whole ? "there is no memory for the request now"
                     : "there is no memory for the request now: others who show the same have it"};
}

io::Task<bool> Http1Session::answer(ServerResponse response, AnswerForm form) {
  form.close = form.close || (response.more && form.minor == 0);
  bool const close = form.close;
  if (!co_await send_body(std::move(response), form)) co_return false;
  if (close) co_await c_.linger();
  co_return !close;
}

io::Task<bool> Http1Session::send_body(ServerResponse response, AnswerForm form) {
  auto start = render_start(response, form, c_.loop);
  bool const bodyless = form.head_only || !has_body(response.status);
  bool const chunked = response.more && form.minor == 1;
  if (chunked && !response.body.empty()) response.body = render_chunk(response.body);
  if (bodyless || response.body.size() <= ReadBuffer::size) {
    if (!bodyless) start += response.body;
    std::string().swap(response.body);  // an assignment would keep the memory
  }
  if (!co_await c_.send(std::move(start))) co_return false;
  if (!response.body.empty() && !co_await c_.send(std::move(response.body))) co_return false;
  if (bodyless || !response.more) co_return true;
  co_return co_await send_more(*response.more, chunked);
}

io::Task<bool> Http1Session::send_more(BodySource& source, bool chunked) {
  for (;;) {
    c_.enter_handling();
    auto piece = co_await next_piece(source);
    if (!piece) {
      c_.cut();
      co_return false;
    }
    bool const last = piece->empty();
    if (chunked) *piece = render_chunk(*piece);
    if (!piece->empty() && !co_await c_.send(std::move(*piece))) co_return false;
    if (last) co_return true;
  }
}

io::Task<void> Http1Session::refuse(Refusal refusal) {
  if (refusal.status == 0) co_return;
  if (co_await c_.send(render_refusal(refusal, c_.loop))) co_await c_.linger();
}

}  // namespace

std::unique_ptr<Session> http1_session(Connection& connection) {
  return std::make_unique<Http1Session>(connection);
}

}  // namespace millrace::http::server
