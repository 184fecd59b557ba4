#include "http_server/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>

#include "http_server/connection.h"

namespace millrace::http::server {
namespace {

class HttpServer final : public Server {
 public:
  HttpServer(std::unique_ptr<io::Acceptor> acceptor, io::Executor accept_loop,
             std::vector<io::Executor> const& loops, std::shared_ptr<ServerCore> core)
      : listening_(std::make_shared<Listening>(std::move(acceptor), std::move(core), accept_loop)),
        local_(listening_->acceptor->local()) {
    for (auto const& loop : loops)
      listening_->shards.push_back(std::make_shared<Shard>(listening_->core, loop, loops.size()));
    listening_->tasks.start(listening_, accept_all(*listening_));
  }
  ~HttpServer() override {
    listening_->acceptor->close();
    listening_->tasks.cancel();
    for (auto const& shard : listening_->shards) shard->cancel();
  }

  io::Endpoint local() const override { return local_; }
  void stop_accepting() override {
    io::asio::dispatch(listening_->tasks.executor(),
                       [listening = listening_] { listening->acceptor->close(); });
  }
  std::size_t connections() const override {
    return listening_->core->connections.load(std::memory_order_relaxed);
  }
  RefusalCounts refused() const override { return listening_->core->refusals.counts(); }

  void renew(std::shared_ptr<TlsServer const> tls) override {
    check(listening_->core->secure && tls != nullptr, "a server of https stays one");
    listening_->core->tls.set(std::move(tls));
  }

  io::Task<void> drain(SteadyTime deadline) override {
    auto const listening = listening_;
    co_await io::asio::co_spawn(listening->tasks.executor(), end_accepting(*listening),
                                io::as_task);
    // All begin at once; each ends by itself at the deadline.
    for (auto const& shard : listening->shards)
      io::asio::post(shard->loop(), [shard, deadline] { shard->begin_drain(deadline); });
    for (auto const& shard : listening->shards)
      co_await io::asio::co_spawn(shard->loop(), shard->drain(deadline), io::as_task);
  }

 private:
  struct Listening {
    Listening(std::unique_ptr<io::Acceptor> from, std::shared_ptr<ServerCore> shared,
              io::Executor const& loop)
        : acceptor(std::move(from)), core(std::move(shared)), tasks(loop) {}
    std::unique_ptr<io::Acceptor> acceptor;
    std::shared_ptr<ServerCore> core;
    std::vector<std::shared_ptr<Shard>> shards;
    io::TaskScope tasks;
  };

  static io::Task<void> end_accepting(Listening& listening) {
    listening.acceptor->close();
    listening.tasks.cancel();
    co_await listening.tasks.join();
  }

  static io::Task<void> accept_all(Listening& listening) {
    for (std::size_t next = 0;; next = (next + 1) % listening.shards.size()) {
      auto const& shard = listening.shards[next];
      auto& core = *listening.core;
      // Whoever comes meanwhile waits in the accept queue.
      while (core.secure &&
             core.handshakes.load(std::memory_order_relaxed) >= core.limits.handshakes)
        co_await core.clock.sleep_for(std::chrono::milliseconds(20));
      auto stream = co_await listening.acceptor->accept(shard->loop());
      if (!stream && stream.error().fault == Fault::io) co_return;  // closed
      if (!stream) {  // no descriptors, most likely: connections wait in the backlog meanwhile
        for (auto const& each : listening.shards)
          io::asio::dispatch(each->loop(), [each] { each->make_room(); });
        co_await listening.core->clock.sleep_for(std::chrono::milliseconds(100));
        continue;
      }
      auto place = core.secure ? std::make_unique<HandshakePlace>(listening.core) : nullptr;
      io::asio::dispatch(shard->loop(),
                         [shard, stream = std::move(*stream), place = std::move(place)]() mutable {
                           shard->start(std::move(stream), std::move(place));
                         });
    }
  }

  std::shared_ptr<Listening> listening_;
  io::Endpoint local_;
};

}  // namespace

std::unique_ptr<Server> serve(std::unique_ptr<io::Acceptor> acceptor, io::Executor accept_loop,
                              std::vector<io::Executor> loops, Handler handler, io::Clock& clock,
                              ServerLimits limits, std::shared_ptr<TlsServer const> tls,
                              Admission admission) {
  check(!loops.empty(), "a server has a loop for its connections");
  auto core = std::make_shared<ServerCore>(std::move(handler), std::move(admission), clock,
                                           std::move(limits), std::move(tls));
  return std::make_unique<HttpServer>(std::move(acceptor), std::move(accept_loop), loops,
                                      std::move(core));
}

}  // namespace millrace::http::server
