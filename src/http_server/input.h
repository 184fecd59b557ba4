// What came on one connection and is not taken yet. The memory that reads go into belongs to a whole loop, so no view of it exists
// outside of one call: it is lent to a connection's Input, which copies what came into bytes of its own before the call returns.
//   Threads  One loop's.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "io/net.h"

namespace millrace::http::server {

// 16 KiB that all connections of a loop read into, one after another. Only an Input sees what is in it.
class ReadBuffer {
 public:
  ReadBuffer() = default;
  ReadBuffer(ReadBuffer const&) = delete;
  ReadBuffer& operator=(ReadBuffer const&) = delete;
  static constexpr std::size_t size = 16 * 1024;

 private:
  friend class Input;
  std::array<std::byte, size> bytes_;
};

class Input {
 public:
  // `keeps_some`: the stream may hold bytes back though a read took less than it was given (as TLS does).
  explicit Input(bool keeps_some) : keeps_some_(keeps_some) {}
  Input(Input const&) = delete;
  Input& operator=(Input const&) = delete;

  // One read of at most ReadBuffer::size bytes, behind what is here. `again` without a system call when the last read emptied the stream
  // and awaited() has not been called since.
  io::Moved read(io::ByteStream& from, ReadBuffer& lent);
  // The stream became readable.
  void awaited() { emptied_ = false; }
  // One read whose bytes are dropped.
  static io::Moved drop(io::ByteStream& from, ReadBuffer& lent);

  // Until the next call that is not const.
  std::string_view bytes() const { return std::string_view(bytes_).substr(taken_); }
  bool empty() const { return taken_ == bytes_.size(); }
  // The first `count` have been taken. Memory is kept only for bytes that are here.
  void take(std::size_t count);

 private:
  std::string bytes_;
  std::size_t taken_ = 0;
  bool keeps_some_;
  bool emptied_ = false;
};

}  // namespace millrace::http::server
