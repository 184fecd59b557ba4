// What tests of a whole node stand on.
#pragma once
#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>

#include "server/loops.h"
#include "server/node.h"

namespace millrace::server {

// A whole node on loopback, with real threads, files and sockets.
class NodeTest : public ::testing::Test {
 protected:
  NodeTest() {
    char name[] = "/tmp/millrace-node-XXXXXX";
    folder_ = ::mkdtemp(name);
    loops_ = std::make_unique<Loops>(2, 0);
  }
  ~NodeTest() override {
    stop();
    loops_->stop();
    client_.reset();
    loops_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Runs the task to its end on this thread.
  template <class T>
  T finish(io::Task<T> task) {
    std::optional<T> result;
    io::TaskScope scope(context_.get_executor());
    scope.start(keep(std::move(task), result));
    context_.restart();
    while (scope.running() > 0) context_.run_one();
    return std::move(*result);
  }
  template <class T>
  static io::Task<void> keep(io::Task<T> task, std::optional<T>& into) {
    into.emplace(co_await std::move(task));
  }

  virtual NodeSettings settings() const {
    NodeSettings settings;
    settings.store.folder = folder_ + "/data";
    settings.store.reserve_bytes = 0;
    settings.listen = *io::parse_endpoint("127.0.0.1:0");
    settings.allow = {"127.0.0.0/8"};
    return settings;
  }
  NodeParts parts() {
    return {.loop = context_.get_executor(),
            .loops = loops_->executors(),
            .files = files_,
            .network = network_,
            .clock = clock_,
            .random = random_,
            .log = *log_};
  }
  Result<void> start() {
    auto started = finish(Node::start(parts(), settings()));
    if (!started) return pass(started);
    node_ = std::move(*started);
    return {};
  }
  void stop() {
    if (!node_) return;
    auto const stopped = finish(node_->stop());
    EXPECT_TRUE(stopped) << stopped.error().what;
    loops_->stop();  // a node goes when its threads have ended
    node_.reset();
    loops_ = std::make_unique<Loops>(2, 0);
  }

  http::client::Answer ask(std::string_view method, std::string const& target,
                           std::string const& head = {}, std::string const& body = {}) {
    if (!client_)
      client_ = *http::client::make_client(context_.get_executor(), network_, clock_, guard_, {});
    auto const url = http::parse_url("http://" + io::text_of(node_->local()) + target);
    http::client::Ask wanted;
    wanted.method = method;
    wanted.url = &*url;
    wanted.head = head;
    wanted.body = body;
    return finish(client_->ask(wanted));
  }
  std::string bearer() {
    auto const token =
        static_cast<io::Files&>(files_).read_all(folder_ + "/data/admin.token", 1000);
    return "Authorization: Bearer " + token->substr(0, token->size() - 1) + "\r\n";
  }

  std::string folder_;
  io::DiskFiles files_;
  io::SystemNetwork network_;
  io::SystemClock clock_;
  io::SystemRandom random_;
  std::unique_ptr<Log> log_ = silent_log();
  http::Guard guard_ = *http::Guard::make({"127.0.0.0/8"});
  boost::asio::io_context context_{1};
  std::unique_ptr<Loops> loops_;
  std::unique_ptr<http::client::Client> client_;
  std::unique_ptr<Node> node_;
};

}  // namespace millrace::server
