// The connections of one loop of a Server: from accepting to the choice of a protocol, and the sweep that ends what takes too long.
// Only server.cc includes this.
#pragma once
#include <list>
#include <memory>

#include "http/turns.h"
#include "http_server/serving.h"

namespace millrace::http::server {

// One of the handshakes that may be under way at a time (ServerLimits); given back when it goes.
class HandshakePlace {
 public:
  explicit HandshakePlace(std::shared_ptr<ServerCore> core) : core_(std::move(core)) {
    core_->handshakes.fetch_add(1, std::memory_order_relaxed);
  }
  ~HandshakePlace() { core_->handshakes.fetch_sub(1, std::memory_order_relaxed); }
  HandshakePlace(HandshakePlace const&) = delete;
  HandshakePlace& operator=(HandshakePlace const&) = delete;

 private:
  std::shared_ptr<ServerCore> core_;
};

class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(std::shared_ptr<ServerCore> core, io::Executor loop, std::size_t loops);

  // On the loop.
  void start(std::unique_ptr<io::ByteStream> stream, std::unique_ptr<HandshakePlace> place);
  void begin_drain(SteadyTime deadline);
  io::Task<void> drain(SteadyTime deadline);  // begins, and waits for the end
  void make_room();  // descriptors are short: closes some of those that rest longest
  void cancel();
  io::Executor const& loop() const { return tasks_.executor(); }

 private:
  // A connection and what is spoken on it, while both live.
  struct Live {
    Connection& connection;
    Session* session = nullptr;
  };
  class Listed;

  io::Task<void> run(std::unique_ptr<io::ByteStream> stream, std::unique_ptr<HandshakePlace> place);
  io::Task<bool> secure(Connection& connection);  // false: the handshake failed
  // Null: nothing came.
  io::Task<std::unique_ptr<Session>> choose(Connection& connection);
  io::Task<void> sweep();
  static void end_late(Live& live);

  std::shared_ptr<ServerCore> core_;
  ServerLoop common_;
  io::TaskScope tasks_, sweeps_;
  Turns turns_;  // of handshakes
  std::list<Live> live_;
  bool sweeping_ = false;
  SteadyTime cut_at_ = SteadyTime::max();
};

}  // namespace millrace::http::server
