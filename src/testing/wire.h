// One end of a connection, as a test speaks it: raw bytes out, raw bytes in. Waits have no deadline: Sim::finish() has one.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "io/net.h"

namespace millrace::testing {

class Wire {
 public:
  explicit Wire(std::unique_ptr<io::ByteStream> stream) : stream_(std::move(stream)) {}

  io::Task<bool> send(std::string text);  // false: the connection is broken
  // All bytes up to and with `end`; shorter when the peer ends or breaks the connection before. What comes behind stays for later.
  io::Task<std::string> read_until(std::string end);
  io::Task<std::string> read_count(std::size_t count);
  io::Task<std::string> read_all();  // until the peer ends or breaks the connection
  // A head, and the body that its Content-Length announces.
  io::Task<std::string> read_message();
  bool broken() const { return broken_; }  // the peer has reset the connection
  void end_writing();                      // FIN
  void reset();                            // RST
  void close() { stream_->close(); }
  io::ByteStream& stream() { return *stream_; }

 private:
  io::Task<bool> fill();

  std::unique_ptr<io::ByteStream> stream_;
  std::string unused_;
  bool broken_ = false;
};

// Connects to loopback, from the current loop.
io::Task<Wire> wire_to(io::Endpoint at);
// A listener at 127.0.0.1, at a port of the system's choice.
std::unique_ptr<io::Acceptor> loopback_listener(io::Executor loop);

}  // namespace millrace::testing
