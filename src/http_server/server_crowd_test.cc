// Strangers who take memory and places, and those who have a right to them.
#include <gmock/gmock.h>
#include <malloc.h>

#include "http_server/server.h"
#include "testing/fake_network.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::server {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;
using testing::Wire;

constexpr std::size_t mib = 1024 * 1024;

// A request says by its header Key whose it is.
BodyShare by_key(ServerRequest const& request) {
  if (auto const key = request.header("Key"))
    return {.name = "key " + std::string(*key),
            .kind = "key",
            .bytes = 4 * mib,
            .bodies = 8,
            .patience = 12s};
  return {.name = "strangers", .kind = "stranger", .bytes = 2 * mib, .bodies = 4};
}

class ShortOfDescriptors final : public io::Acceptor {
 public:
  explicit ShortOfDescriptors(std::unique_ptr<io::Acceptor> inner) : inner_(std::move(inner)) {}
  io::Task<Result<std::unique_ptr<io::ByteStream>>> accept(io::Executor where) override {
    if (is_short) co_return fail(Fault::busy, "accept: too many open files");
    co_return co_await inner_->accept(where);
  }
  io::Endpoint local() const override { return inner_->local(); }
  void close() override { inner_->close(); }
  bool is_short = false;

 private:
  std::unique_ptr<io::Acceptor> inner_;
};

class ServerCrowdTest : public ::testing::Test {
 protected:
  void begin(ServerLimits limits) {
    limits.body_bytes = 2 * mib;
    limits.bodies_in_memory = 16 * mib;
    server = serve(
        std::move(*network.listen(sim.executor(), at)), sim.executor(), {sim.executor()},
        [](ServerRequest request) -> io::Task<ServerResponse> {
          ServerResponse response;
          response.body = std::to_string(request.body.size());
          co_return response;
        },
        sim.clock(), std::move(limits), nullptr, by_key);
  }
  Wire connect() { return Wire(std::move(*sim.run(network.connect(at)))); }
  // Sends while the server takes it, and no more than it takes in `turns` turns.
  void push(Wire& wire, std::string text) {
    std::string_view left = text;
    for (int again = 0; !left.empty() && again < 3;) {
      auto const moved = wire.stream().try_write(std::as_bytes(std::span(left)));
      if (moved.state == io::Moved::State::failed) return;
      again = moved.state == io::Moved::State::done ? 0 : again + 1;
      left.remove_prefix(moved.bytes);
      sim.settle();
    }
  }
  static std::string head(std::size_t length, std::string const& key = "") {
    return "POST / HTTP/1.1\r\nHost: x\r\n" + (key.empty() ? "" : "Key: " + key + "\r\n") +
           "Content-Length: " + std::to_string(length) + "\r\n\r\n";
  }
  std::string heard(Wire& wire) {
    auto const reading = sim.start(wire.read_message());
    sim.settle();
    return reading.done() ? reading.value() : "nothing";
  }

  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  io::Endpoint at{boost::asio::ip::address_v4::loopback(), 80};
  std::unique_ptr<Server> server;
};

TEST_F(ServerCrowdTest, strangers_have_their_share_and_who_shows_a_key_is_served_meanwhile) {
  begin({});
  std::vector<Wire> strangers;
  for (int i = 0; i < 45; ++i) {
    strangers.push_back(connect());
    push(strangers.back(), head(mib) + std::string(mib - 1, 'x'));
  }

  auto known = connect();
  push(known, head(mib, "K") + std::string(mib, 'k'));

  EXPECT_THAT(heard(known), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(heard(strangers.back()),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1")));
  EXPECT_GE(server->refused().requests.at("stranger_share"), 41U);
}

TEST_F(ServerCrowdTest, one_key_fills_its_share_and_no_others) {
  begin({});
  std::vector<Wire> greedy;
  for (int i = 0; i < 20; ++i) {
    greedy.push_back(connect());
    push(greedy.back(), head(mib, "A") + std::string(mib - 1, 'x'));
  }

  auto other = connect();
  push(other, head(mib, "B") + std::string(mib, 'k'));

  EXPECT_THAT(heard(other), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerCrowdTest, a_body_waits_for_room_in_its_share_and_is_taken_when_there_is_some) {
  begin({});
  std::vector<Wire> holding;
  for (int i = 0; i < 4; ++i) {
    holding.push_back(connect());
    push(holding.back(), head(mib, "A") + std::string(mib - 1, 'x'));
  }
  auto late = connect();
  push(late, head(mib, "A"));
  auto const reading = sim.start(late.read_message());
  auto const sending = sim.start(late.send(std::string(mib, 'y')));
  sim.advance(1s);
  EXPECT_FALSE(reading.done());

  push(holding.front(), "x");
  sim.settle();

  EXPECT_TRUE(reading.done()) << "it is woken: no time has to pass";
  EXPECT_THAT(reading.value(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerCrowdTest, bodies_that_dribble_end_and_leave_their_share_to_others) {
  begin({});
  std::vector<Wire> dribbling;
  for (int i = 0; i < 4; ++i) {
    dribbling.push_back(connect());
    push(dribbling.back(), head(mib) + std::string(200'000, 'x'));
  }

  for (int i = 0; i < 11; ++i) {
    for (auto& wire : dribbling) push(wire, "x");
    sim.advance(1s);
  }

  EXPECT_EQ(server->connections(), 0U);
  EXPECT_EQ(server->refused().requests.at("slow_body"), 4U);
  auto stranger = connect();
  push(stranger, head(mib) + std::string(mib, 'x'));
  EXPECT_THAT(heard(stranger), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerCrowdTest, a_body_at_the_least_rate_is_taken_however_long_it_takes) {
  begin({});
  auto wire = connect();
  push(wire, head(2 * mib, "K"));
  for (std::size_t sent = 0; sent < 2 * mib; sent += 16 * 1024) {
    sim.advance(990ms);
    push(wire, std::string(16 * 1024, 'x'));
  }

  EXPECT_THAT(heard(wire), StartsWith("HTTP/1.1 200 "));
}

// Whichever way a connection ends, its part of a full share is there again.
TEST_F(ServerCrowdTest, what_a_body_held_is_given_back_in_every_way_to_end) {
  begin({});
  auto const hold = [&](std::vector<Wire>& wires) {
    for (int i = 0; i < 4; ++i) {
      wires.push_back(connect());
      push(wires.back(), head(mib) + std::string(500'000, 'x'));
    }
  };
  auto const chunked = [&](std::vector<Wire>& wires) {
    for (int i = 0; i < 4; ++i) {
      wires.push_back(connect());
      push(wires.back(),
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" +
               std::string(60'000, 'x'));
    }
  };
  auto const expect_room = [&] {
    auto wire = connect();
    push(wire, head(2 * mib) + std::string(2 * mib, 'x'));
    EXPECT_THAT(heard(wire), StartsWith("HTTP/1.1 200 "));
  };
  for (auto const& begun : {std::function(hold), std::function(chunked)}) {
    for (auto const& ends :
         {std::function<void(Wire&)>([](Wire& wire) { wire.close(); }),
          std::function<void(Wire&)>(
              [&](Wire& wire) { push(wire, std::string(mib - 500'000, 'x')); }),
          std::function<void(Wire&)>([&](Wire& wire) { push(wire, "zz\r\nzz"); }),
          std::function<void(Wire&)>([&](Wire&) { sim.advance(11s); })}) {
      std::vector<Wire> wires;
      begun(wires);
      for (auto& wire : wires) ends(wire);
      for (auto& wire : wires) wire.close();
      sim.settle();
      expect_room();
    }
    std::vector<Wire> cut;
    begun(cut);
    network.cut(at.address());
    sim.settle();
    expect_room();
  }
}

TEST_F(ServerCrowdTest, idle_connections_of_one_client_keep_nobody_out) {
  begin({.connections = 64, .connections_per_address = 1000});
  std::vector<Wire> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(connect());
    if (i % 2 == 0) push(idle.back(), "GET /he");  // half a head makes it no busier
  }
  EXPECT_LE(server->connections(), 65U);

  auto wire = connect();
  push(wire, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");

  EXPECT_THAT(heard(wire), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(sim.finish(idle.front().read_all()), "");  // the oldest went
  EXPECT_EQ(server->refused().connections.at("made_room"), 237U);
}

TEST_F(ServerCrowdTest, large_heads_have_a_share_and_usual_ones_are_served_meanwhile) {
  begin({.connections_per_address = 1000});
  std::vector<Wire> large;
  for (int i = 0; i < 300; ++i) {
    large.push_back(connect());
    push(large.back(), "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(40'000, 'a'));
  }
  EXPECT_GE(server->refused().requests.at("large_head_share"), 44U);

  auto wire = connect();
  push(wire, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(heard(wire), StartsWith("HTTP/1.1 200 "));
  push(large.front(), "\r\n\r\n");
  EXPECT_THAT(heard(large.front()), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerCrowdTest, when_descriptors_are_short_those_that_rest_longest_go) {
  auto inner = std::move(*network.listen(sim.executor(), at));
  auto acceptor = std::make_unique<ShortOfDescriptors>(std::move(inner));
  bool& is_short = acceptor->is_short;
  server = serve(
      std::move(acceptor), sim.executor(), {sim.executor()},
      [](ServerRequest) -> io::Task<ServerResponse> { co_return ServerResponse{}; }, sim.clock());
  std::vector<Wire> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(connect());
  is_short = true;
  idle.push_back(connect());  // taken by the accept that waits; the next one finds none

  is_short = false;
  sim.advance(1s);

  EXPECT_EQ(server->connections(), 5U);
  EXPECT_EQ(server->refused().connections.at("made_room"), 16U);
}

// The answer may be on its way for seconds; real sockets, because only they linger.
TEST_F(ServerCrowdTest, a_body_that_is_refused_lets_its_memory_go_before_its_connection) {
  ServerLimits const limits{.body_bytes = 2 * mib, .bodies_in_memory = 16 * mib};
  server = serve(
      testing::loopback_listener(sim.executor()), sim.executor(), {sim.executor()},
      [](ServerRequest) -> io::Task<ServerResponse> { co_return ServerResponse{}; }, sim.clock(),
      limits, nullptr, by_key);
  auto const connect_really = [&] { return sim.finish(testing::wire_to(server->local())); };
  auto holding = connect_really();
  sim.finish(holding.send(head(2 * mib) + std::string(2 * mib - 1, 'x')));
  for (int i = 0; i < 50; ++i) sim.settle();
  auto const in_use = [] {
    auto const now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  auto const before = in_use();

  std::vector<Wire> refused;
  for (int i = 0; i < 16; ++i) {
    refused.push_back(connect_really());
    sim.finish(refused.back().send(head(2 * mib) + "xxx"));
    EXPECT_THAT(sim.finish(refused.back().read_message()), StartsWith("HTTP/1.1 503 "));
  }

  EXPECT_EQ(server->connections(), 17U);
  EXPECT_LT(in_use(), before + 4 * mib);
}

TEST_F(ServerCrowdTest, the_connections_of_an_address_have_an_end_but_those_of_trusted_proxies) {
  for (bool const trusted : {false, true}) {
    server.reset();
    sim.settle();
    ServerLimits limits{.connections_per_address = 10};
    if (trusted) limits.trusted_proxies = *AddressRange::parse_all({"127.0.0.0/8"});
    begin(limits);
    std::vector<Wire> wires;
    for (int i = 0; i < 30; ++i) wires.push_back(connect());
    sim.settle();

    EXPECT_EQ(server->connections(), trusted ? 30U : 10U);
  }
}

TEST_F(ServerCrowdTest, what_was_refused_is_told_once_a_minute_without_naming_anybody) {
  begin({});
  sim.start(tell_refusals([&] { return server->refused(); }, sim.clock(), sim.log()));
  sim.settle();
  sim.advance(61s);
  EXPECT_THAT(sim.log().lines(), IsEmpty());
  std::vector<Wire> strangers;
  for (int i = 0; i < 10; ++i) {
    strangers.push_back(connect());
    push(strangers.back(), head(mib) + std::string(mib - 1, 'x'));
  }
  sim.advance(60s);
  sim.advance(300s);

  EXPECT_THAT(sim.log().lines("", LogLevel::warning),
              ElementsAre("requests were refused or connections closed in the last minute  "
                          "requests=\"slow_body=2,stranger_share=8\"  connections=none"));
}

}  // namespace
}  // namespace millrace::http::server
