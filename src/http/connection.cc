#include "http/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <http_parser.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/system/system_error.hpp>
#include <exception>

#include "base/encoding.h"

namespace millrace::http {
namespace {

constexpr auto tick = std::chrono::milliseconds(250);
constexpr std::size_t body_step = 256 * 1024;  // how a body's share of the memory grows
constexpr std::size_t lingering_bytes =
    16 << 20;  // read and dropped after a refusal, so that the peer sees the answer
constexpr auto lingering_time = std::chrono::seconds(2);

std::string_view phrase(int status) { return http_status_str(static_cast<http_status>(status)); }

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

// A header line must not end early, whatever a handler put into it.
void append_clean(std::string& out, std::string_view text) {
  for (char const c : text) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

}  // namespace

Shard::Connection::Connection(Shard& of, std::unique_ptr<io::ByteStream> from)
    : shard(of), stream(std::move(from)), place(of.live_.insert(of.live_.end(), this)) {
  of.core_->connections.fetch_add(1, std::memory_order_relaxed);
  enter(Stage::handshake, of.core_->limits.head_time);
}

Shard::Connection::~Connection() {
  shard.release(*this);
  shard.live_.erase(place);
  shard.core_->connections.fetch_sub(1, std::memory_order_relaxed);
}

void Shard::Connection::enter(Stage next, Duration limit) {
  stage = next;
  deadline = shard.core_->clock.now() + std::chrono::duration_cast<SteadyTime::duration>(limit);
}

Shard::Shard(std::shared_ptr<ServerCore> core, io::Executor loop)
    : core_(std::move(core)), connections_(loop), sweeps_(std::move(loop)) {}

void Shard::start(std::unique_ptr<io::ByteStream> stream) {
  connections_.start(shared_from_this(), run(std::move(stream)));
  if (!sweeping_) {
    sweeping_ = true;
    sweeps_.start(shared_from_this(), sweep());
  }
}

void Shard::cancel() {
  connections_.cancel();
  sweeps_.cancel();
}

void Shard::begin_drain(SteadyTime deadline) {
  draining_ = true;
  cut_at_ = deadline;
  for (auto* const c : live_)
    if (c->stage == Stage::idle) c->stream->close();
}

io::Task<void> Shard::drain(SteadyTime deadline) {
  begin_drain(deadline);
  co_await connections_.join();
  sweeps_.cancel();
  co_await sweeps_.join();
}

io::Task<void> Shard::sweep() {
  while (!live_.empty() || connections_.running() > 0) {
    co_await core_->clock.sleep_for(tick);
    auto const now = core_->clock.now();
    if (draining_ && now >= cut_at_) connections_.cancel();
    for (auto* const c : live_)
      if (now >= c->deadline) end_late(*c);
  }
  sweeping_ = false;
}

// The coroutine that waits finds its stream closed, and ends.
void Shard::end_late(Connection& c) {
  if (c.stage == Stage::handling) return;
  if (c.stage == Stage::head || c.stage == Stage::body) {
    render_stop({408, "the request did not come in time"});
    static_cast<void>(c.stream->try_write(as_bytes(out_)));
  }
  c.stream->close();
}

io::Task<void> Shard::run(std::unique_ptr<io::ByteStream> stream) {
  auto& core = *core_;
  Connection c(*this, std::move(stream));
  if (core.tls) {
    auto secured = tls_accepting(std::move(c.stream), *core.tls);
    auto& tls = *secured;
    c.stream = std::move(secured);
    if (auto const done = co_await tls.handshake(); !done) co_return;
  }
  if (core.connections.load(std::memory_order_relaxed) > core.limits.connections) {
    render_stop({503, "there are too many connections"});
    if (co_await flush(c)) co_await linger(c);
    co_return;
  }
  for (;;) {
    ServerRequest request;
    Framing framing;
    std::optional<Stop> stop;
    bool wants_continue = false;
    {
      c.enter(Stage::idle, core.limits.idle_time);
      if (draining_ && c.unused.empty()) co_return;
      std::string_view bytes = c.unused;
      HeadEnd end;
      bool begun = false;
      for (;;) {
        if (!begun) {  // an empty line before a request is forgiven
          while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
          if (bytes.data() != c.unused.data() && bytes.empty()) c.unused.clear();
          if (!c.unused.empty() && bytes.size() < c.unused.size()) {
            c.unused.erase(0, c.unused.size() - bytes.size());
            bytes = c.unused;
          }
          begun = bytes.size() >= 2;
        }
        auto const state = begun ? end.scan(bytes) : HeadEnd::State::more;
        if (state == HeadEnd::State::bad) stop = Stop{400, "a line does not end in CRLF"};
        if (state == HeadEnd::State::found && end.size() > core.limits.header_bytes)
          stop = Stop{431, "the head is too large"};
        if (state != HeadEnd::State::more) break;
        if (bytes.size() > core.limits.header_bytes) {
          stop = Stop{431, "the head is too large"};
          break;
        }
        if (!bytes.empty() && c.stage == Stage::idle) c.enter(Stage::head, core.limits.head_time);
        for (;;) {
          if (std::exchange(c.emptied, false)) {
            if (auto const ready = co_await c.stream->readable(); !ready) co_return;
          }
          auto const moved = read_head(c, bytes);
          if (moved.state == io::Moved::State::done) break;
          if (moved.state != io::Moved::State::again) co_return;
          if (auto const ready = co_await c.stream->readable(); !ready) co_return;
        }
      }
      if (!stop) {
        if (auto const bad = begin_request(c, bytes.substr(0, end.size()), request, framing))
          stop = Stop{bad->status, bad->why};
        else if (auto const expect = find_header(request.headers, "expect");
                 expect && framing.minor == 1) {
          wants_continue = same_name(*expect, "100-continue");
          if (!wants_continue) stop = Stop{417, "the expectation is not 100-continue"};
        }
        bytes.remove_prefix(end.size());
        if (!stop && framing.has_length && framing.length > core.limits.body_bytes)
          stop = Stop{413, "the body is too large"};
        // What came of the body with the head; the scratch is everybody's from the next wait on.
        if (!stop && framing.length > 0 && framing.length <= body_step) {
          auto const length = static_cast<std::size_t>(framing.length);
          request.body.resize_and_overwrite(length, [&](char* to, std::size_t n) {
            std::copy_n(bytes.data(), std::min(bytes.size(), n), to);
            return bytes.size() < n ? bytes.size() : n;
          });
          bytes.remove_prefix(request.body.size());
        }
        if (bytes.empty())
          c.unused.clear();
        else
          c.unused = std::string(bytes);
      }
    }
    if (!stop && (framing.chunked || request.body.size() < framing.length)) {
      c.enter(Stage::body, core.limits.body_time);
      stop = co_await read_body(c, framing, request, wants_continue);
    } else if (!stop && framing.length > 0) {
      c.held = request.body.size();
      core.body_bytes.fetch_add(c.held, std::memory_order_relaxed);
    }
    if (stop) {
      if (stop->status == 0) co_return;
      render_stop(*stop);
      if (co_await flush(c)) co_await linger(c);
      co_return;
    }
    bool const head_only = request.method == "HEAD";
    c.stage = Stage::handling;
    auto const response = co_await handle(std::move(request));
    bool const close = response.close || !framing.keep_alive || draining_;
    render(response, close, head_only);
    if (!co_await flush(c)) co_return;
    release(c);
    if (close) {
      co_await linger(c);
      co_return;
    }
  }
}

io::Moved Shard::read_head(Connection& c, std::string_view& bytes) {
  if (!bytes.empty() && c.unused.empty()) {
    c.unused = std::string(bytes);
    bytes = c.unused;
  }
  auto const moved = c.stream->try_read(scratch_);
  if (moved.state == io::Moved::State::done) {
    c.emptied = !core_->tls && moved.bytes < scratch_.size();  // OpenSSL may keep some
    std::string_view const fresh = as_text(std::span(scratch_).first(moved.bytes));
    if (c.unused.empty()) {
      bytes = fresh;
    } else {
      c.unused.append(fresh);
      bytes = c.unused;
    }
  }
  return moved;
}

std::optional<BadHead> Shard::begin_request(Connection& c, std::string_view head,
                                            ServerRequest& request, Framing& framing) {
  RequestHead line;
  if (auto const bad = read_request_head(head, line, fields_, framing)) return bad;
  if (fields_.size() > core_->limits.headers) return BadHead{431, "there are too many headers"};
  auto target = line.target;
  if (target.size() > core_->limits.target_bytes) return BadHead{414, "the target is too long"};
  if (!target.starts_with('/') && target != "*") {  // the absolute form, as proxies send it
    auto const host = target.find("://");
    if (host == target.npos) return BadHead{400, "the target is not a path"};
    auto const path = target.find_first_of("/?", host + 3);
    target = path == target.npos ? std::string_view("/") : target.substr(path);
    if (target.front() == '?') return BadHead{400, "the target is not a path"};
  }
  request.method = line.method;
  request.target = target;
  auto const question = target.find('?');
  request.path = target.substr(0, question);
  if (question != target.npos) request.query = target.substr(question + 1);
  request.headers.reserve(fields_.size());
  for (auto const& field : fields_)
    request.headers.push_back({std::string(field.name), std::string(field.value)});
  request.peer = c.stream->peer();
  return std::nullopt;
}

io::Task<std::optional<Shard::Stop>> Shard::read_body(Connection& c, Framing framing,
                                                      ServerRequest& request, bool wants_continue) {
  if (wants_continue && c.unused.empty() && request.body.empty()) {
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!co_await flush(c)) co_return Stop{0, ""};
    c.enter(Stage::body, core_->limits.body_time);
  }
  if (framing.chunked) co_return co_await read_chunks(c, request.body);
  co_return co_await read_counted(c, static_cast<std::size_t>(framing.length), request.body);
}

// Straight into the body's memory, which is untouched, and so costs nothing, until bytes are there.
io::Task<std::optional<Shard::Stop>> Shard::read_counted(Connection& c, std::size_t length,
                                                         std::string& body) {
  std::size_t have = body.size();
  body.resize_and_overwrite(length, [](char*, std::size_t n) { return n; });
  if (have < length && !c.unused.empty()) {
    auto const n = std::min(length - have, c.unused.size());
    std::copy_n(c.unused.data(), n, body.data() + have);
    have += n;
    c.unused.erase(0, n);
  }
  while (have < length) {
    if (c.held <= have && !co_await hold(c, std::min(length, have + body_step)))
      co_return Stop{503, "there is no memory for the body now"};
    auto const room = std::min(length, c.held) - have;
    auto const moved =
        c.stream->try_read(std::as_writable_bytes(std::span(body).subspan(have, room)));
    if (moved.state == io::Moved::State::done) {
      have += moved.bytes;
      continue;
    }
    if (moved.state != io::Moved::State::again) co_return Stop{0, ""};
    if (auto const ready = co_await c.stream->readable(); !ready) co_return Stop{0, ""};
  }
  co_return std::nullopt;
}

io::Task<std::optional<Shard::Stop>> Shard::read_chunks(Connection& c, std::string& body) {
  auto const limit = core_->limits.body_bytes;
  ChunkReader chunks;
  auto bytes = std::move(c.unused);
  c.unused.clear();
  for (;;) {
    auto const used = chunks.take(bytes, body, limit);
    if (chunks.state() == ChunkReader::State::bad)
      co_return Stop{400, "the chunked body is malformed"};
    if (chunks.decoded() > limit) co_return Stop{413, "the body is too large"};
    if (chunks.state() == ChunkReader::State::done) {
      c.unused = bytes.substr(used);
      co_return std::nullopt;
    }
    if (c.held < body.size() + scratch_.size() && !co_await hold(c, body.size() + body_step))
      co_return Stop{503, "there is no memory for the body now"};
    for (;;) {
      auto const moved = c.stream->try_read(scratch_);
      if (moved.state == io::Moved::State::done) {
        bytes.assign(as_text(std::span(scratch_).first(moved.bytes)));
        break;
      }
      if (moved.state != io::Moved::State::again) co_return Stop{0, ""};
      if (auto const ready = co_await c.stream->readable(); !ready) co_return Stop{0, ""};
    }
  }
}

// Waiting here leaves the bytes in the kernel, and so slows the peer down.
io::Task<bool> Shard::hold(Connection& c, std::size_t bytes) {
  auto& used = core_->body_bytes;
  auto const more = bytes - c.held;
  for (;;) {
    if (used.fetch_add(more, std::memory_order_relaxed) + more <= core_->limits.bodies_in_memory)
      break;
    used.fetch_sub(more, std::memory_order_relaxed);
    if (core_->clock.now() + tick >= c.deadline) co_return false;
    co_await core_->clock.sleep_for(std::chrono::milliseconds(20));
  }
  c.held = bytes;
  co_return true;
}

void Shard::release(Connection& c) {
  if (c.held > 0) core_->body_bytes.fetch_sub(c.held, std::memory_order_relaxed);
  c.held = 0;
}

// The one place where a handler's exception ends. A cancellation is none.
io::Task<ServerResponse> Shard::handle(ServerRequest request) {
  try {
    co_return co_await core_->handler(std::move(request));
  } catch (boost::system::system_error const& e) {
    if (e.code() == io::asio::error::operation_aborted) throw;
  } catch (std::exception const&) {
  }
  ServerResponse failed;
  failed.status = 500;
  failed.body = "the server failed at this request\n";
  failed.close = true;
  co_return failed;
}

void Shard::render(ServerResponse const& response, bool close, bool head_only) {
  auto const wall = core_->clock.wall();
  auto const second =
      std::chrono::duration_cast<std::chrono::seconds>(wall.time_since_epoch()).count();
  if (second != date_second_ || date_.empty()) {
    date_second_ = second;
    date_ = fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n",
                        fmt::gmtime(static_cast<std::time_t>(second)));
  }
  out_.clear();
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\n", response.status,
                 phrase(response.status));
  out_ += date_;
  for (auto const& header : response.headers) {
    append_clean(out_, header.name);
    out_ += ": ";
    append_clean(out_, header.value);
    out_ += "\r\n";
  }
  if (has_body(response.status))
    fmt::format_to(std::back_inserter(out_), "Content-Length: {}\r\n", response.body.size());
  if (close) out_ += "Connection: close\r\n";
  out_ += "\r\n";
  if (has_body(response.status) && !head_only) out_ += response.body;
}

void Shard::render_stop(Stop stop) {
  ServerResponse response;
  response.status = stop.status;
  response.headers.push_back({"Content-Type", "text/plain"});
  response.body = fmt::format("{}\n", stop.why);
  render(response, true, false);
}

io::Task<bool> Shard::flush(Connection& c) {
  std::string_view left = out_;
  std::string own;
  while (!left.empty()) {
    auto const moved = c.stream->try_write(as_bytes(left));
    if (moved.state == io::Moved::State::done) {
      left.remove_prefix(moved.bytes);
      if (!own.empty()) c.enter(Stage::writing, core_->limits.write_time);
      continue;
    }
    if (moved.state != io::Moved::State::again) co_return false;
    if (own.empty()) {  // out_ is everybody's from the next wait on
      own = std::string(left);
      left = own;
      c.enter(Stage::writing, core_->limits.write_time);
    }
    if (auto const ready = co_await c.stream->writable(); !ready) co_return false;
  }
  co_return true;
}

// Closing with unread bytes resets the connection, and the peer may never see the answer.
io::Task<void> Shard::linger(Connection& c) {
  c.enter(Stage::lingering, lingering_time);
  if (c.stream->descriptor() < 0) co_return;
  if (core_->tls) static_cast<TlsStream&>(*c.stream).say_goodbye();
  ::shutdown(c.stream->descriptor(), SHUT_WR);
  std::size_t dropped = 0;
  while (dropped < lingering_bytes) {
    auto const moved = c.stream->try_read(scratch_);
    if (moved.state == io::Moved::State::done) {
      dropped += moved.bytes;
      continue;
    }
    if (moved.state != io::Moved::State::again) co_return;
    if (auto const ready = co_await c.stream->readable(); !ready) co_return;
  }
}

}  // namespace millrace::http
