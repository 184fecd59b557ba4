#include "io/net.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <charconv>

namespace millrace::io {
namespace {

using Tcp = asio::ip::tcp;

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

class TcpStream final : public ByteStream {
 public:
  explicit TcpStream(Tcp::socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;  // a peer that has gone already shows at the first read
    socket_.set_option(Tcp::no_delay(true), ignored);
    socket_.native_non_blocking(true, ignored);
    peer_ = socket_.remote_endpoint(ignored);
  }

  Moved try_read(std::span<std::byte> out) override {
    for (;;) {
      auto const n = ::recv(socket_.native_handle(), out.data(), out.size(), 0);
      if (n > 0) return {Moved::State::done, static_cast<std::size_t>(n)};
      if (n == 0) return {Moved::State::ended};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {Moved::State::again};
      return {Moved::State::failed, 0, errno};
    }
  }
  Moved try_write(std::span<std::byte const> bytes) override {
    for (;;) {
      auto const n = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) return {Moved::State::done, static_cast<std::size_t>(n)};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {Moved::State::again};
      return {Moved::State::failed, 0, errno};
    }
  }
  Task<Result<void>> readable() override { return wait(Tcp::socket::wait_read); }
  Task<Result<void>> writable() override { return wait(Tcp::socket::wait_write); }
  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  int descriptor() const override { return const_cast<Tcp::socket&>(socket_).native_handle(); }
  Endpoint peer() const override { return peer_; }

 private:
  Task<Result<void>> wait(Tcp::socket::wait_type what) {
    if (!socket_.is_open()) co_return fail(Fault::io, "connection: closed");
    auto const [error] = co_await socket_.async_wait(what, op);
    if (!error) co_return Result<void>();
    auto const state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) unwind();
    co_return fail(Fault::io, fmt::format("connection: {}", error.message()));
  }

  Tcp::socket socket_;
  Endpoint peer_;
};

class TcpAcceptor final : public Acceptor {
 public:
  explicit TcpAcceptor(Tcp::acceptor acceptor) : acceptor_(std::move(acceptor)) {}

  Task<Result<std::unique_ptr<ByteStream>>> accept(Executor where) override {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(where, op);
      if (!error) co_return std::make_unique<TcpStream>(std::move(socket));
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
  Tcp::acceptor acceptor_;
};

}  // namespace

std::string text_of(Endpoint const& endpoint) {
  auto const address = endpoint.address();
  return fmt::format(fmt::runtime(address.is_v6() ? "[{}]:{}" : "{}:{}"), address.to_string(),
                     endpoint.port());
}

Task<Result<std::unique_ptr<ByteStream>>> SystemNetwork::connect(Endpoint to) {
  Tcp::socket socket(co_await asio::this_coro::executor);
  auto const [error] = co_await socket.async_connect(to, op);
  if (!error) co_return std::make_unique<TcpStream>(std::move(socket));
  auto const state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) unwind();
  co_return net_failure(error, "connect to " + text_of(to));
}

Result<std::unique_ptr<Acceptor>> SystemNetwork::listen(Executor loop, Endpoint at) {
  boost::system::error_code error;
  Tcp::acceptor acceptor(loop);
  auto const doing = "listen on " + text_of(at);
  if (acceptor.open(at.protocol(), error); error) return net_failure(error, doing);
  if (acceptor.set_option(Tcp::acceptor::reuse_address(true), error); error)
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
  Tcp::acceptor acceptor(loop);
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
