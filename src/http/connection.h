// The serving side of one connection, and what the connections of one loop share. Only server.cc includes this.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/chunks.h"
#include "http/head.h"
#include "http/server.h"
#include "http/tasks.h"
#include "http/tls.h"
#include "io/clock.h"

namespace millrace::http {

// What all loops of a Server share. Any thread.
struct ServerCore {
  Handler handler;
  io::Clock& clock;
  ServerLimits limits;
  std::shared_ptr<TlsServer const> tls;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> body_bytes{0};
};

// The connections of one loop.
class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(std::shared_ptr<ServerCore> core, io::Executor loop);

  // On the loop.
  void start(std::unique_ptr<io::ByteStream> stream);
  void begin_drain(SteadyTime deadline);
  io::Task<void> drain(SteadyTime deadline);  // begins, and waits for the end
  void cancel();
  io::Executor const& loop() const { return connections_.executor(); }

 private:
  enum class Stage : std::uint8_t { handshake, idle, head, body, handling, writing, lingering };

  struct Connection {
    Connection(Shard& shard, std::unique_ptr<io::ByteStream> from);
    ~Connection();
    Connection(Connection const&) = delete;
    Connection& operator=(Connection const&) = delete;
    void enter(Stage next, Duration limit);

    Shard& shard;
    std::unique_ptr<io::ByteStream> stream;
    std::string unused;  // came, and is not taken yet
    Stage stage = Stage::handshake;
    SteadyTime deadline;
    std::size_t held = 0;  // of ServerCore::body_bytes
    bool emptied = false;  // the last read took all that the socket had
    std::list<Connection*>::iterator place;
  };

  // What stops a connection: a status to answer with, or 0 to say nothing.
  struct Stop {
    int status;
    std::string_view why;
  };

  io::Task<void> run(std::unique_ptr<io::ByteStream> stream);
  // Reads more of what a head needs: into scratch_ when `bytes` is empty, else behind it in Connection::unused.
  io::Moved read_head(Connection& c, std::string_view& bytes);
  // Takes a head apart. nullopt: good.
  std::optional<BadHead> begin_request(Connection& c, std::string_view head, ServerRequest& request,
                                       Framing& framing);
  io::Task<std::optional<Stop>> read_body(Connection& c, Framing framing, ServerRequest& request,
                                          bool wants_continue);
  io::Task<std::optional<Stop>> read_counted(Connection& c, std::size_t length, std::string& body);
  io::Task<std::optional<Stop>> read_chunks(Connection& c, std::string& body);
  io::Task<bool> hold(Connection& c, std::size_t bytes);  // false: there was no room in time
  void release(Connection& c);
  io::Task<ServerResponse> handle(ServerRequest request);
  void render(ServerResponse const& response, bool close, bool head_only);  // into out_
  void render_stop(Stop stop);
  io::Task<bool> flush(Connection& c);  // out_; false: the connection is broken
  io::Task<void> linger(Connection& c);
  io::Task<void> sweep();
  void end_late(Connection& c);

  std::shared_ptr<ServerCore> core_;
  Tasks connections_, sweeps_;
  std::list<Connection*> live_;
  std::vector<Field> fields_;
  std::array<std::byte, 16 * 1024> scratch_;  // what a read brings; everybody's between two waits
  std::string out_;                           // what a write takes; likewise
  std::string date_;                          // of date_second_
  std::int64_t date_second_ = 0;
  bool sweeping_ = false, draining_ = false;
  SteadyTime cut_at_ = SteadyTime::max();
};

}  // namespace millrace::http
