// The network: connections as byte streams, without an opinion on what they carry.
//   Threads  A stream belongs to the loop that it was made for.
//   Waits    readable() and writable() have no deadline of their own: whoever waits closes the stream when its time is over;
//            the wait then fails.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "io/task.h"

namespace millrace::io {

using Endpoint = asio::ip::tcp::endpoint;
std::string text_of(Endpoint const& endpoint);  // "127.0.0.1:8080", "[::1]:8080"

struct Moved {
  enum class State { done, again, ended, failed } state;
  std::size_t bytes = 0;  // of `done`: at least 1
  int code = 0;           // of `failed`: errno
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;  // closes
  // Never block. `again`: wait until readable() or writable(). `ended` (reading only): the peer sends no more.
  virtual Moved try_read(std::span<std::byte> out) = 0;
  virtual Moved try_write(std::span<std::byte const> bytes) = 0;
  // Fail with: io (closed from this side, or broken). Unwind when cancelled. At most one wait of each kind at a time.
  virtual Task<Result<void>> readable() = 0;
  virtual Task<Result<void>> writable() = 0;
  virtual void close() = 0;            // at once; a second time it does nothing
  virtual int descriptor() const = 0;  // for TLS on the socket itself; -1 in a simulated network
  virtual Endpoint peer() const = 0;
};

class Acceptor {
 public:
  virtual ~Acceptor() = default;
  // The next connection, made for the loop of `where` (it need not be the acceptor's).
  // Fails with: busy (no descriptors: try again after a moment), io (closed).
  virtual Task<Result<std::unique_ptr<ByteStream>>> accept(Executor where) = 0;
  virtual Endpoint local() const = 0;
  virtual void close() = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  // Connects from the current loop. No deadline of its own: cancel it. Fails with: unreachable, busy (no descriptors).
  virtual Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint to) = 0;
  // Fails with: conflict (in use), denied, io.
  virtual Result<std::unique_ptr<Acceptor>> listen(Executor loop, Endpoint at) = 0;
  // Takes over a listening socket (systemd's, say). Fails with: invalid (not a listening TCP socket), io.
  virtual Result<std::unique_ptr<Acceptor>> adopt(Executor loop, int descriptor) = 0;
};

class SystemNetwork final : public Network {
 public:
  Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint to) override;
  Result<std::unique_ptr<Acceptor>> listen(Executor loop, Endpoint at) override;
  Result<std::unique_ptr<Acceptor>> adopt(Executor loop, int descriptor) override;
};

// Reads "127.0.0.1:8080", "[::1]:0", ":8080" (every address, IPv6 and IPv4). Fails with: invalid.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace millrace::io
