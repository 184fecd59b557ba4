#include "io/net.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <charconv>
#include <utility>

#include "io/blame.h"
#include "io/ready_set.h"

namespace millrace::io {
namespace {

using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Listener = asio::basic_socket_acceptor<Tcp, Executor>;

// The only place where Asio's errors become Faults.
std::unexpected<Error> net_failure(boost::system::error_code code, std::string doing) {
  auto const fault = [&] {
    if (code == asio::error::no_descriptors || code == asio::error::no_buffer_space ||
        code == asio::error::no_memory)
      return Fault::busy;
    if (code == asio::error::address_in_use) return Fault::conflict;
    if (code == asio::error::access_denied) return Fault::denied;
    return Fault::unreachable;
  }();
  return fail(fault, fmt::format("{}: {}", doing, code.message()));
}

// What the other side is not to blame for is busy: later it may work.
std::unexpected<Error> connect_failure(boost::system::error_code code, Endpoint const& to) {
  bool const ours = blame_of_errno(code.value()) == Blame::ours;
  return fail(ours ? Fault::busy : Fault::unreachable,
              fmt::format("connect to {}: {}", text_of(to), code.message()));
}

class TcpStream final : public ByteStream {
 public:
  TcpStream(Executor const& loop, Socket socket) : set_(ReadySet::of(loop)) {
    boost::system::error_code ignored;  // a peer that has gone already shows at the first read
    socket.set_option(Tcp::no_delay(true), ignored);
    socket.native_non_blocking(true, ignored);
    peer_ = socket.remote_endpoint(ignored);
    descriptor_ = socket.release(ignored);
  }
  ~TcpStream() override { TcpStream::close(); }

  Moved try_read(std::span<std::byte> out) override {
    for (;;) {
      auto const n = ::recv(descriptor_, out.data(), out.size(), 0);
      if (n > 0) {
        auto const bytes = static_cast<std::size_t>(n);
        if (member_ != nullptr && bytes < out.size()) member_->is_short();
        return {Moved::State::done, bytes};
      }
      if (n == 0) return {Moved::State::ended};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return blocks(ReadySet::reading);
      return {Moved::State::failed, 0, errno};
    }
  }
  Moved try_write(std::span<std::byte const> bytes) override {
    for (;;) {
      auto const n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) return {Moved::State::done, static_cast<std::size_t>(n)};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return blocks(ReadySet::writing);
      return {Moved::State::failed, 0, errno};
    }
  }
  Task<Result<void>> readable() override { return wait(ReadySet::reading); }
  Task<Result<void>> writable() override { return wait(ReadySet::writing); }
  void close() override {
    if (descriptor_ < 0) return;
    if (member_ != nullptr) set_.remove(std::exchange(member_, nullptr));
    ::close(std::exchange(descriptor_, -1));
  }
  int descriptor() const override { return descriptor_; }
  Endpoint peer() const override { return peer_; }

 private:
  Moved blocks(ReadySet::Direction direction) {
    if (member_ != nullptr) member_->blocks(direction);
    return {Moved::State::again};
  }
  Task<Result<void>> wait(ReadySet::Direction direction) {
    if (descriptor_ < 0) co_return fail(Fault::io, "connection: closed");
    if (member_ == nullptr) member_ = set_.add(descriptor_);
    if (member_ == nullptr) co_return fail(Fault::io, "connection: the kernel watches no more");
    if (member_->is_ready(direction)) co_return Result<void>();
    if (co_await member_->wait(direction) == ReadySet::Woken::ready) co_return Result<void>();
    auto const state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) unwind();
    co_return fail(Fault::io, "connection: closed");
  }

  ReadySet& set_;
  ReadySet::Member* member_ = nullptr;  // since the first wait
  int descriptor_ = -1;
  Endpoint peer_;
};

class TcpAcceptor final : public Acceptor {
 public:
  explicit TcpAcceptor(Listener acceptor) : acceptor_(std::move(acceptor)) {}

  Task<Result<std::unique_ptr<ByteStream>>> accept(Executor where) override {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(where, op);
      if (!error) co_return std::make_unique<TcpStream>(where, std::move(socket));
      auto const state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) unwind();
      if (error == asio::error::connection_aborted)
        continue;  // it gave up while it waited in the queue
      if (error == asio::error::operation_aborted) co_return fail(Fault::io, "listener: closed");
      co_return net_failure(error, "accept");
    }
  }
  Endpoint local() const override {
    boost::system::error_code ignored;
    return acceptor_.local_endpoint(ignored);
  }
  void close() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  Listener acceptor_;
};

}  // namespace

std::string text_of(Endpoint const& endpoint) {
  auto const address = endpoint.address();
  return fmt::format(fmt::runtime(address.is_v6() ? "[{}]:{}" : "{}:{}"), address.to_string(),
                     endpoint.port());
}

Task<Result<std::unique_ptr<ByteStream>>> SystemNetwork::connect(Endpoint to) {
  auto const loop = co_await asio::this_coro::executor;
  Socket socket(loop);
  auto const [error] = co_await socket.async_connect(to, op);
  if (!error) co_return std::make_unique<TcpStream>(loop, std::move(socket));
  auto const state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) unwind();
  co_return connect_failure(error, to);
}

Result<std::unique_ptr<Acceptor>> SystemNetwork::listen(Executor loop, Endpoint at) {
  boost::system::error_code error;
  Listener acceptor(loop);
  auto const doing = "listen on " + text_of(at);
  if (acceptor.open(at.protocol(), error); error) return net_failure(error, doing);
  if (acceptor.set_option(Listener::reuse_address(true), error); error)
    return net_failure(error, doing);
  if (at.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), error);
  if (acceptor.bind(at, error); error) return net_failure(error, doing);
  if (acceptor.listen(4096, error); error) return net_failure(error, doing);
  return std::make_unique<TcpAcceptor>(std::move(acceptor));
}

Result<std::unique_ptr<Acceptor>> SystemNetwork::adopt(Executor loop, int descriptor) {
  int listening = 0, family = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
    return fail(Fault::invalid,
                fmt::format("file descriptor {}: is not a listening socket", descriptor));
  size = sizeof family;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0 ||
      (family != AF_INET && family != AF_INET6))
    return fail(Fault::invalid, fmt::format("file descriptor {}: is not a TCP socket", descriptor));
  boost::system::error_code error;
  Listener acceptor(loop);
  if (acceptor.assign(family == AF_INET ? Tcp::v4() : Tcp::v6(), descriptor, error); error)
    return net_failure(error, fmt::format("file descriptor {}", descriptor));
  return std::make_unique<TcpAcceptor>(std::move(acceptor));
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  auto const wrong = [&] {
    return fail(Fault::invalid, fmt::format("'{}' is not ADDRESS:PORT, like 127.0.0.1:8080", text));
  };
  auto const colon = text.rfind(':');
  if (colon == text.npos) return wrong();
  std::uint16_t port = 0;
  auto const digits = text.substr(colon + 1);
  auto const [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (bad != std::errc() || end != digits.data() + digits.size()) return wrong();
  auto host = text.substr(0, colon);
  if (host.empty()) return Endpoint(asio::ip::address_v6::any(), port);
  if (host == "localhost") host = "127.0.0.1";
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  auto const address = asio::ip::make_address(std::string(host), error);
  if (error) return wrong();
  return Endpoint(address, port);
}

}  // namespace millrace::io
