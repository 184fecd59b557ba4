#include "http_server/serving.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/system/system_error.hpp>
#include <exception>
#include <utility>

#include "base/encoding.h"
#include "http/address_range.h"
#include "http/tls.h"

namespace millrace::http::server {
namespace {

// Read and dropped after the last answer.
constexpr std::size_t lingering_bytes = 16 << 20;
constexpr auto lingering_time = std::chrono::seconds(2);

// Our own trouble, in the words of a failure; a cancellation goes on.
std::string trouble(std::exception_ptr const& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (boost::system::system_error const& e) {
    if (e.code() == io::asio::error::operation_aborted) throw;
    return e.what();
  } catch (std::exception const& e) {
    return e.what();
  }
}

std::optional<boost::asio::ip::address> share_of_places(io::Endpoint const& peer,
                                                        ServerLimits const& limits) {
  if (any_holds(limits.trusted_proxies, peer.address())) return std::nullopt;
  return client_key(peer.address());
}

Admission or_all(Admission admission, ServerLimits const& limits) {
  if (admission) return admission;
  return [bytes = limits.bodies_in_memory, bodies = limits.connections](ServerRequest const&) {
    return BodyShare{.name = "all",
                     .kind = "all",
                     .bytes = bytes,
                     .bodies = bodies,
                     .patience = std::chrono::seconds(60)};
  };
}

}  // namespace

ServerCore::ServerCore(Handler handles, Admission admits, io::Clock& with, ServerLimits of,
                       std::shared_ptr<TlsServer const> secured)
    : handler(std::move(handles)),
      admission(or_all(std::move(admits), of)),
      clock(with),
      limits(std::move(of)),
      secure(secured != nullptr),
      tls(std::move(secured)),
      bodies(limits.bodies_in_memory) {}

Connection::Connection(ServerLoop& of, std::unique_ptr<io::ByteStream> from)
    : loop(of),
      core(of.core),
      stream(std::move(from)),
      input(of.core.secure),
      address_(share_of_places(stream->peer(), core.limits)),
      place_(loop.places, *this, address_) {
  core.connections.fetch_add(1, std::memory_order_relaxed);
}

bool Connection::find_room() {
  bool found = true;
  if (place_.is_beyond_share())
    found = loop.places.make_room(*address_);
  else if (core.connections.load(std::memory_order_relaxed) > core.limits.connections)
    found = loop.places.make_room();
  if (!found) core.refusals.connection("no_place");
  return found;
}

void Connection::make_room() {
  core.refusals.connection("made_room");
  stream->close();
}

Connection::~Connection() { core.connections.fetch_sub(1, std::memory_order_relaxed); }

void Connection::enter(Stage next, Duration limit) {
  stage_ = next;
  if (next == Stage::idle || next == Stage::handshake)
    place_.rest();
  else if (next != Stage::head)  // a byte of a head now and then does not make it busy
    place_.work();
  deadline_ = core.clock.now() + std::chrono::duration_cast<SteadyTime::duration>(limit);
}

void Connection::enter_handling() {
  place_.work();
  stage_ = Stage::handling;
  deadline_ = SteadyTime::max();
}

void Connection::earn(Pace const& pace, std::size_t bytes) {
  deadline_ = earned(pace, deadline_, core.clock.now(), bytes);
}

io::Task<bool> Connection::read_more() {
  for (;;) {
    auto const moved = input.read(*stream, loop.lent);
    if (moved.state == io::Moved::State::done) co_return true;
    if (moved.state != io::Moved::State::again) co_return false;
    if (auto const ready = co_await stream->readable(); !ready) co_return false;
    input.awaited();
  }
}

io::Task<bool> Connection::send(std::string bytes) {
  auto const moved = stream->try_write(as_bytes(bytes));
  if (moved.state == io::Moved::State::done && moved.bytes == bytes.size()) co_return true;
  if (moved.state == io::Moved::State::done)
    bytes.erase(0, moved.bytes);
  else if (moved.state != io::Moved::State::again)
    co_return false;
  co_return co_await send_rest(std::move(bytes));
}

io::Task<bool> Connection::send_rest(std::string bytes) {
  auto const& pace = core.limits.write_pace;
  auto left = as_bytes(bytes);
  enter(Stage::writing, pace);
  while (!left.empty()) {
    auto const moved = stream->try_write(left);
    if (moved.state == io::Moved::State::done) {
      left = left.subspan(moved.bytes);
      earn(pace, moved.bytes);
      continue;
    }
    if (moved.state != io::Moved::State::again) co_return false;
    if (auto const ready = co_await stream->writable(); !ready) co_return false;
  }
  co_return true;
}

io::Task<void> Connection::linger() {
  enter(Stage::lingering, lingering_time);
  if (stream->descriptor() < 0) co_return;
  if (core.secure) static_cast<TlsStream&>(*stream).say_goodbye();
  ::shutdown(stream->descriptor(), SHUT_WR);
  std::size_t dropped = 0;
  while (dropped < lingering_bytes) {
    auto const moved = Input::drop(*stream, loop.lent);
    if (moved.state == io::Moved::State::done) {
      dropped += moved.bytes;
      continue;
    }
    if (moved.state != io::Moved::State::again) co_return;
    if (auto const ready = co_await stream->readable(); !ready) co_return;
  }
}

bool Connection::cannot_send(std::size_t missing) const {
  if (stream->descriptor() < 0) return false;
  ::pollfd look{.fd = stream->descriptor(), .events = POLLRDHUP, .revents = 0};
  if (::poll(&look, 1, 0) <= 0) return false;
  if ((look.revents & (POLLERR | POLLHUP)) != 0) return true;
  int unread = 0;
  if (missing == 0 || (look.revents & POLLRDHUP) == 0 ||
      ::ioctl(stream->descriptor(), FIONREAD, &unread) != 0)
    return false;
  // TLS may have read a record of them already.
  return static_cast<std::size_t>(unread) + (core.secure ? ReadBuffer::size : 0) < missing;
}

void Connection::cut() {
  struct linger const now{.l_onoff = 1,
                          .l_linger = 0};  // a reset: an end would look like the body's
  if (stream->descriptor() >= 0)
    ::setsockopt(stream->descriptor(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  stream->close();
}

std::optional<BadHead> make_request(std::string_view method, std::string_view target,
                                    std::span<Field const> fields, ServerLimits const& limits,
                                    ServerRequest& request) {
  if (fields.size() > limits.headers) return BadHead{431, "there are too many headers"};
  if (target.size() > limits.target_bytes) return BadHead{414, "the target is too long"};
  if (!target.starts_with('/') && target != "*") {  // the absolute form, as proxies send it
    auto const host = target.find("://");
    if (host == target.npos) return BadHead{400, "the target is not a path"};
    auto const path = target.find_first_of("/?", host + 3);
    target = path == target.npos ? std::string_view("/") : target.substr(path);
    if (target.front() == '?') return BadHead{400, "the target is not a path"};
  }
  request.method = method;
  request.target = target;
  auto const question = target.find('?');
  request.path = target.substr(0, question);
  if (question != target.npos) request.query = target.substr(question + 1);
  request.headers.reserve(fields.size());
  for (auto const& field : fields)
    request.headers.push_back({std::string(field.name), std::string(field.value)});
  return std::nullopt;
}

// The one place where a handler's exception ends. A cancellation is none.
io::Task<ServerResponse> ask_handler(ServerCore& core, ServerRequest request) {
  std::exception_ptr thrown;
  try {
    co_return co_await core.handler(std::move(request));
  } catch (std::exception const&) {
    thrown = std::current_exception();
  }
  static_cast<void>(trouble(thrown));  // not the client's to know
  ServerResponse failed;
  failed.status = 500;
  failed.body = "the server failed at this request\n";
  failed.close = true;
  co_return failed;
}

io::Task<Result<std::string>> next_piece(BodySource& source) {
  std::exception_ptr thrown;
  try {
    auto piece = co_await source.next();
    check(!piece || piece->size() <= BodySource::most, "a piece of a body is at most 1 MiB");
    co_return piece;
  } catch (std::exception const&) {
    thrown = std::current_exception();
  }
  co_return fail(Fault::io, trouble(thrown));
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace millrace::http::server
