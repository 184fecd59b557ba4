// What connections of one loop send must never meet: heads and bodies cut anywhere, with the others' requests in between.
#include <gmock/gmock.h>

#include "http_server/server.h"
#include "testing/fake_network.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::server {
namespace {

using ::testing::EndsWith;
using testing::Wire;

// Answers with all that it saw.
io::Task<ServerResponse> mirror(ServerRequest request) {
  ServerResponse response;
  response.body = request.method + " " + request.target;
  for (auto const& [name, value] : request.headers) response.body += "|" + name + "=" + value;
  response.body += "|" + request.body;
  co_return response;
}

struct Exchange {
  std::string request, answer_end;
};

// Requests of equal length, so that one laid over another would be well-formed. Their bodies are long enough for memory of their own.
Exchange counted(char who) {
  std::string const w(1, who);
  auto const body = "body-" + std::string(84, who);
  return {"POST /" + w + "?q=" + w + " HTTP/1.1\r\nHost: h" + w + "\r\nX-Token: secret-of-" + w +
              "\r\nContent-Length: 89\r\n\r\n" + body,
          "POST /" + w + "?q=" + w + "|Host=h" + w + "|X-Token=secret-of-" + w +
              "|Content-Length=89|" + body};
}

Exchange chunked(char who) {
  std::string const w(1, who);
  return {"POST /" + w + " HTTP/1.1\r\nHost: h" + w + "\r\nX-Token: secret-of-" + w +
              "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbody-\r\n3\r\n" + w + w + w +
              "\r\n0\r\n\r\n",
          "POST /" + w + "|Host=h" + w + "|X-Token=secret-of-" + w +
              "|Transfer-Encoding=chunked|body-" + w + w + w};
}

// Where the connections come from: a network in memory, or real sockets.
class InterleavingTest : public ::testing::TestWithParam<bool> {
 protected:
  InterleavingTest() {
    auto const at = io::Endpoint(boost::asio::ip::address_v4::loopback(), 80);
    auto acceptor = simulated() ? std::move(*network.listen(sim.executor(), at))
                                : testing::loopback_listener(sim.executor());
    server = serve(std::move(acceptor), sim.executor(), {sim.executor()}, mirror, sim.clock());
  }
  static bool simulated() { return GetParam(); }
  Wire connect() {
    if (simulated()) return Wire(std::move(*sim.run(network.connect(server->local()))));
    return sim.finish(testing::wire_to(server->local()));
  }
  // The server has read what is sent, and waits for more.
  void send(Wire& wire, std::string bytes) {
    if (bytes.empty()) return;
    EXPECT_TRUE(sim.finish(wire.send(std::move(bytes))));
    sim.settle();
  }
  void expect_answer(Wire& wire, Exchange const& to) {
    EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("\r\n\r\n" + to.answer_end));
  }

  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  std::unique_ptr<Server> server;
};

INSTANTIATE_TEST_SUITE_P(Networks, InterleavingTest, ::testing::Bool(),
                         [](auto const& one) { return one.param ? "simulated" : "sockets"; });

TEST_P(InterleavingTest, a_request_cut_at_any_byte_is_not_touched_by_whole_ones_in_between) {
  for (auto const& [mine, other] :
       {std::pair(counted('a'), counted('b')), std::pair(counted('a'), chunked('b')),
        std::pair(chunked('a'), counted('b'))}) {
    auto one = connect();
    auto two = connect();
    for (std::size_t cut = 1; cut < mine.request.size(); ++cut) {
      SCOPED_TRACE(cut);
      send(one, mine.request.substr(0, cut));
      send(two, other.request);
      send(one, mine.request.substr(cut));
      expect_answer(two, other);
      expect_answer(one, mine);
    }
  }
}

TEST_P(InterleavingTest, two_requests_cut_at_the_same_byte_stay_two) {
  for (auto const& [mine, other] :
       {std::pair(counted('a'), counted('b')), std::pair(chunked('a'), chunked('b'))}) {
    auto one = connect();
    auto two = connect();
    for (std::size_t cut = 1; cut < mine.request.size(); ++cut) {
      SCOPED_TRACE(cut);
      send(one, mine.request.substr(0, cut));
      send(two, other.request.substr(0, cut));
      send(one, mine.request.substr(cut));
      send(two, other.request.substr(cut));
      expect_answer(one, mine);
      expect_answer(two, other);
    }
  }
}

TEST_P(InterleavingTest, many_connections_that_send_a_byte_in_turn_get_their_own_answers) {
  std::vector<Wire> wires;
  std::vector<Exchange> exchanges;
  for (char who = 'a'; who <= 'h'; ++who) {
    wires.push_back(connect());
    exchanges.push_back(who % 2 == 0 ? counted(who) : chunked(who));
  }

  for (std::size_t at = 0; at < 400; ++at)
    for (std::size_t i = 0; i < wires.size(); ++i)
      if (at < exchanges[i].request.size()) send(wires[i], exchanges[i].request.substr(at, 1));

  for (std::size_t i = 0; i < wires.size(); ++i) expect_answer(wires[i], exchanges[i]);
}

// An answer that a slow reader has not taken yet is its own, too.
TEST_P(InterleavingTest, an_answer_half_read_is_not_touched_by_others) {
  auto one = connect();
  auto two = connect();
  std::string const body(9'000'000, 'a');
  auto const head = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n";
  auto const sending = sim.start(one.send(head + body));
  sim.run_until([&] { return sending.done(); });
  for (int i = 0; i < 20; ++i) sim.settle();

  auto const other = counted('b');
  send(two, other.request);
  expect_answer(two, other);

  EXPECT_THAT(sim.finish(one.read_message()), EndsWith("|" + body));
}

}  // namespace
}  // namespace millrace::http::server
