#include "testing/wire.h"

#include <strings.h>
#include <sys/socket.h>

#include <array>

#include "base/encoding.h"

namespace millrace::testing {

io::Task<bool> Wire::send(std::string text) {
  std::string_view left = text;
  while (!left.empty()) {
    auto const moved = stream_->try_write(as_bytes(left));
    if (moved.state == io::Moved::State::done) {
      left.remove_prefix(moved.bytes);
    } else if (moved.state == io::Moved::State::again) {
      if (auto const ready = co_await stream_->writable(); !ready) co_return false;
    } else {
      co_return false;
    }
  }
  co_return true;
}

io::Task<bool> Wire::fill() {
  std::array<std::byte, 16 * 1024> buffer;
  for (;;) {
    auto const moved = stream_->try_read(buffer);
    if (moved.state == io::Moved::State::done) {
      unused_ += as_text(std::span(buffer).first(moved.bytes));
      co_return true;
    }
    if (moved.state == io::Moved::State::failed) broken_ = true;
    if (moved.state != io::Moved::State::again) co_return false;
    if (auto const ready = co_await stream_->readable(); !ready) co_return false;
  }
}

io::Task<std::string> Wire::read_until(std::string end) {
  for (;;) {
    if (auto const at = unused_.find(end); at != unused_.npos)
      co_return co_await read_count(at + end.size());
    if (!co_await fill()) co_return std::exchange(unused_, {});
  }
}

io::Task<std::string> Wire::read_count(std::size_t count) {
  while (unused_.size() < count)
    if (!co_await fill()) break;
  auto text = unused_.substr(0, count);
  unused_.erase(0, text.size());
  co_return text;
}

io::Task<std::string> Wire::read_all() {
  while (co_await fill()) {
  }
  co_return std::exchange(unused_, {});
}

io::Task<std::string> Wire::read_message() {
  auto text = co_await read_until("\r\n\r\n");
  char const* const length = ::strcasestr(text.c_str(), "\r\ncontent-length:");
  if (length == nullptr) co_return text;
  text += co_await read_count(std::stoul(std::string(length + 17)));
  co_return text;
}

void Wire::end_writing() { ::shutdown(stream_->descriptor(), SHUT_WR); }

void Wire::reset() {
  linger const at_once{1, 0};
  ::setsockopt(stream_->descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  stream_->close();
}

io::Task<Wire> wire_to(io::Endpoint at) {
  io::SystemNetwork network;
  auto stream = co_await network.connect(at);
  check(stream.has_value(), "the test's server listens");
  co_return Wire(std::move(*stream));
}

std::unique_ptr<io::Acceptor> loopback_listener(io::Executor loop) {
  io::SystemNetwork network;
  auto acceptor =
      network.listen(std::move(loop), io::Endpoint(boost::asio::ip::address_v4::loopback(), 0));
  check(acceptor.has_value(), "loopback can be listened on");
  return std::move(*acceptor);
}

}  // namespace millrace::testing
