// Peers that go while their bodies wait for room, over real sockets: only the kernel knows of it while bytes lie unread.
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "http_server/server.h"
#include "io/net.h"
#include "testing/sim.h"

namespace millrace::http::server {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t body_bytes = 40 * 1024;

class ServerGoneTest : public ::testing::Test {
 protected:
  using Socket = boost::asio::ip::tcp::socket;

  ServerGoneTest() {
    auto acceptor = network.listen(sim.executor(), {boost::asio::ip::address_v4::loopback(), 0});
    check(acceptor.has_value(), "loopback has a free port");
    at = (*acceptor)->local();
    server = serve(
        std::move(*acceptor), sim.executor(), {sim.executor()},
        [](ServerRequest request) -> io::Task<ServerResponse> {
          ServerResponse response;
          response.body = std::to_string(request.body.size());
          co_return response;
        },
        sim.clock(), {}, nullptr,
        [](ServerRequest const&) {
          // Room for one body at a time.
          return BodyShare{
              .name = "all", .kind = "all", .bytes = body_bytes + 1, .bodies = 8, .patience = 60s};
        });
  }
  ~ServerGoneTest() override {
    sockets.clear();
    sim.finish(server->drain(sim.clock().now()));
  }
  // A request of which so many bytes of the body come.
  Socket& send(std::size_t bytes) {
    auto& socket = sockets.emplace_back(own);
    socket.connect(at);
    auto const text =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n" +
        std::string(bytes, 'x');
    boost::asio::write(socket, boost::asio::buffer(text));
    auto const want = server->connections() + 1;
    sim.run_until([&] { return server->connections() == want; });
    for (int i = 0; i < 4; ++i) sim.advance(100ms);  // its head is read
    return socket;
  }

  testing::Sim sim;
  io::SystemNetwork network;
  io::Endpoint at;
  boost::asio::io_context own;
  std::list<Socket> sockets;
  std::unique_ptr<Server> server;
};

TEST_F(ServerGoneTest, ends_a_body_that_can_never_come) {
  send(1);
  auto& gone = send(1'000);
  ASSERT_EQ(server->connections(), 2U);

  gone.close();
  sim.advance(1s);

  EXPECT_EQ(server->connections(), 1U);
}

TEST_F(ServerGoneTest, serves_one_that_has_sent_all_of_it_and_nothing_more) {
  auto& first = send(1);
  auto& second = send(body_bytes);
  second.shutdown(Socket::shutdown_send);
  sim.advance(2s);
  ASSERT_EQ(server->connections(), 2U) << "all of it has come";

  boost::asio::write(first, boost::asio::buffer(std::string(body_bytes - 1, 'y')));

  sim.run_until([&] { return second.available() > 0; });
  std::string answer(second.available(), '\0');
  boost::asio::read(second, boost::asio::buffer(answer));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
}

}  // namespace
}  // namespace millrace::http::server
