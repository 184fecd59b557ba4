#include "testing/fake_network.h"

#include <gmock/gmock.h>

#include "http_client/client.h"
#include "http_server/server.h"
#include "testing/sim.h"

namespace millrace::testing {
namespace {

using namespace std::chrono_literals;

class FakeNetworkTest : public ::testing::Test {
 protected:
  FakeNetworkTest() {
    server = http::server::serve(*network.listen(sim.executor(), io::Endpoint(address, 80)),
                                 sim.executor(), {sim.executor()}, echo, sim.clock());
    client = *http::client::make_client(sim.executor(), network, sim.clock(), guard, {});
  }
  static io::Task<http::ServerResponse> echo(http::ServerRequest request) {
    http::ServerResponse response;
    response.body = std::move(request.body);
    co_return response;
  }
  Started<http::client::Answer> ask(std::string_view body = "hello") {
    http::client::Ask ask;
    ask.url = &url;
    ask.body = body;
    return sim.start(client->ask(ask));
  }

  Sim sim;
  FakeNetwork network{sim.executor(), sim.clock()};
  boost::asio::ip::address const address = boost::asio::ip::make_address("10.1.2.3");
  http::Guard guard = *http::Guard::make({"10.0.0.0/8"});
  http::Url url = *http::parse_url("http://10.1.2.3/");
  std::unique_ptr<http::server::Server> server;
  std::unique_ptr<http::client::Client> client;
};

TEST_F(FakeNetworkTest, carries_requests_and_answers_without_time_passing) {
  auto const large = std::string(500'000, 'x');
  auto const first = ask();
  auto const second = ask(large);
  sim.settle();
  ASSERT_TRUE(first.done() && second.done());
  EXPECT_EQ(first.value().body, "hello");
  EXPECT_EQ(second.value().status, 200);
  EXPECT_EQ(network.connects(), 2U);
}

TEST_F(FakeNetworkTest, delays_each_way) {
  network.at(address).delay = 100ms;
  auto const asking = ask();
  sim.settle();
  sim.advance(399ms);  // connecting takes one round trip, the exchange another
  EXPECT_FALSE(asking.done());
  sim.advance(1ms);
  ASSERT_TRUE(asking.done());
  EXPECT_EQ(asking.value().connect, 200ms);
  EXPECT_EQ(asking.value().answer, 200ms);
}

TEST_F(FakeNetworkTest, refuses_and_swallows) {
  network.at(address).refuses = true;
  auto const refused = ask();
  sim.settle();
  EXPECT_EQ(refused.value().trouble, http::client::Trouble::refused);

  network.at(address) = {.black_hole = true};
  auto const swallowed = ask();
  sim.settle();
  sim.advance(16s);
  EXPECT_EQ(swallowed.value().trouble, http::client::Trouble::timeout);
  EXPECT_EQ(swallowed.value().reached, http::client::Phase::connect);
}

TEST_F(FakeNetworkTest, breaks_after_so_many_bytes_and_when_cut) {
  network.at(address).breaks_after = 20;
  auto const broken = ask();
  sim.settle();
  EXPECT_EQ(broken.value().trouble, http::client::Trouble::broken);

  network.at(address) = {.delay = 1s};
  auto const cut = ask();
  sim.settle();
  sim.advance(3s);
  network.cut(address);
  sim.settle();
  EXPECT_EQ(cut.value().trouble, http::client::Trouble::broken);
}

TEST_F(FakeNetworkTest, fails_any_one_operation) {
  std::uint64_t operations = 0;
  for (std::uint64_t n = 0;; ++n) {
    network.fail_operation(network.operations() + n);
    auto const before = network.operations();
    auto const asking = ask();
    sim.settle();
    ASSERT_TRUE(asking.done()) << "at operation " << n;
    operations = network.operations() - before;
    if (operations <= n) {
      EXPECT_EQ(asking.value().status, 200);
      break;
    }
    if (asking.value().trouble != http::client::Trouble::none) EXPECT_EQ(asking.value().status, 0);
  }
  EXPECT_GE(operations, 2U);
}

}  // namespace
}  // namespace millrace::testing
