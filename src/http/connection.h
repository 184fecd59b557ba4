// The connections of one loop of a Server: from accepting to the choice of a protocol, and the sweep that ends what takes too long.
// Only server.cc includes this.
#pragma once
#include <list>
#include <memory>

#include "http/serving.h"
#include "http/tasks.h"

namespace millrace::http {

class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(std::shared_ptr<ServerCore> core, io::Executor loop, std::size_t loops);

  // On the loop.
  void start(std::unique_ptr<io::ByteStream> stream);
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

  io::Task<void> run(std::unique_ptr<io::ByteStream> stream);
  io::Task<bool> secure(Connection& connection);  // false: the handshake failed
  std::unique_ptr<Session> choose(Connection& connection);
  io::Task<void> sweep();
  static void end_late(Live& live);

  std::shared_ptr<ServerCore> core_;
  ServerLoop common_;
  Tasks tasks_, sweeps_;
  std::list<Live> live_;
  bool sweeping_ = false;
  SteadyTime cut_at_ = SteadyTime::max();
};

}  // namespace millrace::http
