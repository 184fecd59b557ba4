// What every protocol of the serving side has in common: a connection with its limits, a request's head made from its fields, the handler.
//   Seam     Shard (connection.h) accepts, secures, and chooses a Session for each Connection: http1_session, and others beside it.
//   Threads  A Connection and its Session are one loop's.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/date.h"
#include "http/head.h"
#include "http_server/body_memory.h"
#include "http_server/input.h"
#include "http_server/pace.h"
#include "http_server/places.h"
#include "http_server/refusals.h"
#include "http_server/server.h"
#include "io/clock.h"
#include "io/net.h"
#include "io/shared.h"

namespace millrace::http::server {

// What all loops of a Server share. Any thread.
struct ServerCore {
  ServerCore(Handler handles, Admission admits, io::Clock& with, ServerLimits of,
             std::shared_ptr<TlsServer const> secured);
  Handler handler;
  Admission admission;  // never empty
  io::Clock& clock;
  ServerLimits limits;
  bool secure;  // every connection begins with TLS
  io::Shared<std::shared_ptr<TlsServer const>> tls;
  BodyMemory bodies;
  Refusals refusals;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> handshakes{0};  // under way, from accepting on
};

// What the connections of one loop share.
struct ServerLoop {
  ServerLoop(ServerCore& of, std::size_t loops, io::Executor on,
             std::function<void(io::Task<void>)> starts)
      : core(of),
        places((of.limits.connections_per_address + loops - 1) / loops),
        executor(std::move(on)),
        start(std::move(starts)) {}
  ServerCore& core;
  Places places;
  io::Executor executor;
  std::function<void(io::Task<void>)>
      start;  // a Task beside those of connections; cancelled with them
  ReadBuffer lent;
  HttpDate date;
  bool draining = false;
};

enum class Stage : std::uint8_t {
  handshake,  // TLS
  idle,       // between requests
  head,       // of a request is coming
  body,       // is coming, at limits.body_pace
  handling,   // ours to do: no deadline
  writing,    // an answer, at limits.write_pace
  lingering   // the answer was the last
};

// One connection, whatever is spoken on it. The loop's sweep ends it when its deadline has passed.
class Connection final : public Places::Resting {
 public:
  Connection(ServerLoop& loop, std::unique_ptr<io::ByteStream> from);
  ~Connection() override;
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  // Takes the place of one that rests if there are too many, of all or of its address. False: there is none that could go.
  bool find_room();
  void make_room() override;  // for another

  // In the stages handshake, idle and head it may be closed for another.
  void enter(Stage next, Duration limit);
  void enter(Stage next, Pace const& pace) { enter(next, pace.first); }
  void enter_handling();
  void earn(Pace const& pace, std::size_t bytes);  // they have passed
  Stage stage() const { return stage_; }
  SteadyTime deadline() const { return deadline_; }

  // Waits until more has come into `input`. False: nothing will (the peer has ended, or it is over).
  io::Task<bool> read_more();
  // Writes all of it, at limits.write_pace. False: the connection is broken. It leaves the stage `writing` if it had to wait.
  io::Task<bool> send(std::string bytes);
  // Says that nothing more comes and reads a while: closing with unread bytes resets the connection, and the peer may never see the answer.
  io::Task<void> linger();
  // Whether the peer is known to be unable to send `missing` more bytes of a body: it has closed its side, and what lies unread is less. 0:
  // nobody knows how many; then only a broken connection counts. False also where nobody can tell.
  bool cannot_send(std::size_t missing) const;
  // Ends it so that the peer cannot take what it has got for whole.
  void cut();

  ServerLoop& loop;
  ServerCore& core;
  std::unique_ptr<io::ByteStream> stream;
  Input input;

 private:
  io::Task<bool> send_rest(std::string bytes);

  std::optional<boost::asio::ip::address> const address_;  // whose share of the places it has
  Stage stage_ = Stage::handshake;
  SteadyTime deadline_;
  Places::Place place_;
};

// A protocol on a connection.
class Session {
 public:
  virtual ~Session() = default;
  // Until the connection is to be closed. It unwinds when cancelled.
  virtual io::Task<void> run() = 0;
  // The connection's deadline has passed: says so to the peer if there is something to say and room to write it. Its stream is closed next.
  virtual void late() = 0;
  // The server stops: run() ends when what is under way has been answered; at once when nothing is.
  virtual void drain() = 0;
  // Called now and then: what has a deadline of its own beside the connection's.
  virtual void sweep() {}
};

// What stops a request: a status to answer with, or 0 to say nothing.
struct Refusal {
  int status;
  std::string_view why;
};

// Fills `request` from the parts of its head, which it copies. nullopt: good; else what it breaks of `limits`.
std::optional<BadHead> make_request(std::string_view method, std::string_view target,
                                    std::span<Field const> fields, ServerLimits const& limits,
                                    ServerRequest& request);

// What the handler answers; 500 when it throws. Unwinds when cancelled.
io::Task<ServerResponse> ask_handler(ServerCore& core, ServerRequest request);
// The next piece of a body; what a source throws is a failure. `source` outlives the Task.
io::Task<Result<std::string>> next_piece(BodySource& source);

// An answer's status allows a body.
bool has_body(int status);

}  // namespace millrace::http::server
