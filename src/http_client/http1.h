// One HTTP/1.1 exchange over a connection that is ours for that long.
//   Threads  One loop's. What the exchanges of a loop share (scratch, output) is everybody's between two waits.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http_client/answer_reader.h"
#include "http_client/client.h"
#include "http_client/pool.h"
#include "http_client/watch.h"

namespace millrace::http::client {

// How an exchange ended.
enum class Exchanged : std::uint8_t {
  settled,   // the Answer says how; the connection is to be closed
  reusable,  // the Answer says how; the connection may carry another
  silent,  // as settled, but no byte came before the connection ended; a kept one was closed while it rested
  // The peer has surely not processed the request, which may be sent again (HTTP/2 only):
  refused,    // it would not
  untouched,  // the connection, which has served others, ended before
  unsent,     // the same, and nothing of the request had left
};

class Http1 {
 public:
  Http1(io::Clock& clock, io::TaskScope& tasks) : clock_(clock), tasks_(tasks) {}

  // `connection` is fresh, or one that Pool::take_idle gave. Fills in `answer`.
  io::Task<Exchanged> exchange(Ask const& ask, std::shared_ptr<PooledConnection> connection,
                               Watch& watch, Answer& answer);
  std::span<std::byte> scratch() { return scratch_; }

 private:
  void render(Ask const& ask);
  void send(std::shared_ptr<PooledConnection> const& connection);
  static io::Task<void> send_rest(PooledConnection& connection);
  void settle(Answer& answer, AnswerReader const& reader, Watch const& watch, SteadyTime sent_at,
              int code);

  io::Clock& clock_;
  io::TaskScope& tasks_;
  std::vector<Field> fields_;
  std::array<std::byte, 16 * 1024> scratch_;
  std::string out_;
};

}  // namespace millrace::http::client
