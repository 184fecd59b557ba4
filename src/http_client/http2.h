// An HTTP/2 connection at work: reads for Http2Engine, writes what it gives, and lets asks share it.
//   Threads   One loop's.
//   Lifetime  Its Tasks keep it alive until the connection has ended; whoever asks keeps it too.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "http_client/http1.h"
#include "http_client/http2_engine.h"
#include "http_client/watch.h"

namespace millrace::http::client {

class Http2 final : public std::enable_shared_from_this<Http2> {
 public:
  struct Needs {
    io::Clock& clock;
    io::TaskScope& tasks;
    std::span<std::byte> scratch;  // everybody's between two waits
    std::size_t streams;           // at a time, at most
    // There is room for a stream, or the connection is over; called on the loop, also within exchange().
    std::function<void(Http2&)> changed;
    std::function<void(Http2&)> rests{};  // its last stream has ended
  };
  Http2(std::shared_ptr<PooledConnection> connection, Needs needs);

  void start();
  PooledConnection const& connection() const { return *connection_; }
  std::size_t room() const {
    auto const room = engine_.room();
    return room - std::min(room, reserved_);
  }
  void reserve() {
    ++reserved_;
  }  // a stream that is begun later; then, and if it is not, unreserve()
  void unreserve() { --reserved_; }
  bool idle() const { return engine_.live() == 0 && reserved_ == 0; }
  SteadyTime idle_since() const { return idle_since_; }
  bool over() const { return over_; }
  std::string const& objection() const { return engine_.objection(); }
  std::uint64_t served() const { return engine_.served(); }
  // As Http1::exchange. Without room: unsent, or refused.
  io::Task<Exchanged> exchange(Ask const& ask, Watch& watch, Answer& answer);
  void close();  // says GOAWAY if it can; streams under way end

 private:
  class Stream;
  void flush_soon();
  void flush();
  bool write();     // false: it must wait, or the connection is broken
  void take_all();  // that has come
  void came_to_rest();
  io::Task<void> write_rest();
  io::Task<void> read();
  void end(std::string const& why);
  void end(int code);  // an errno; 0: the peer has closed

  std::shared_ptr<PooledConnection> connection_;
  Needs needs_;
  Http2Engine engine_;
  std::string out_;
  std::size_t written_ = 0;  // of out_
  std::size_t reserved_ = 0;
  SteadyTime idle_since_{};
  bool flush_posted_ = false, writing_ = false, over_ = false, ours_ = false;
};

}  // namespace millrace::http::client
