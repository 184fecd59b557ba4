// HTTP/2 on the connections of a Server: over real sockets and in memory, in the clear and over TLS.
#include <gmock/gmock.h>

#include <array>
#include <deque>

#include "http/tls.h"
#include "http_server/server.h"
#include "testing/certificates.h"
#include "testing/fake_network.h"
#include "testing/http2_caller.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::server {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Http2Caller;
using ::testing::IsEmpty;
using testing::Wire;

// Pieces of a body, each made when it is asked for.
class Pieces final : public BodySource {
 public:
  Pieces(std::size_t count, std::size_t& asked) : left_(count), asked_(asked) {}
  io::Task<Result<std::string>> next() override {
    ++asked_;
    if (left_ == 0) co_return std::string();
    --left_;
    co_return std::string(256 * 1024, 'x');
  }

 private:
  std::size_t left_;
  std::size_t& asked_;
};

class Http2SessionTest : public ::testing::Test {
 protected:
  void begin(ServerLimits limits = {}) {
    auto acceptor = network.listen(sim.executor(), *io::parse_endpoint("10.0.0.1:80"));
    check(acceptor.has_value(), "the address is free");
    server = serve(
        std::move(*acceptor), sim.executor(), {sim.executor()},
        [this](ServerRequest request) { return handle(std::move(request)); }, sim.clock(), limits);
  }
  io::Task<ServerResponse> handle(ServerRequest request) {
    ++handled;
    ServerResponse response;
    response.body = request.method + " " + request.path + " " + request.body;
    if (request.path == "/slow") {
      waiting.emplace_back(sim.executor());
      auto& signal = waiting.back();
      co_await signal.wait();
    }
    if (request.path == "/throw") throw std::runtime_error("secret of the handler");
    if (request.path == "/large") response.body.assign(3'000'000, 'x');
    if (request.path == "/pieces") response.more = std::make_unique<Pieces>(16, asked);
    co_return response;
  }
  void let_go() {
    for (auto& signal : waiting) signal.notify();
    sim.settle();
  }
  std::unique_ptr<Wire> connect() {
    auto stream = sim.run(network.connect(*io::parse_endpoint("10.0.0.1:80")));
    return std::make_unique<Wire>(std::move(*stream));
  }
  // Says it, and hears what comes without time passing. With `credits` the windows are opened for what came.
  void talk(Wire& wire, Http2Caller& caller, std::string text, bool credits = true) {
    auto const sending = sim.start(wire.send(std::move(text)));
    for (bool more = true; more;) {
      sim.settle();
      more = hear(wire, caller, credits) || !sending.done();
      if (!more) break;
    }
    sim.settle();
  }
  bool hear(Wire& wire, Http2Caller& caller, bool credits) {
    std::array<std::byte, 16 * 1024> bytes;
    bool any = false;
    for (;;) {
      auto const before = caller.data_bytes;
      auto const moved = wire.stream().try_read(bytes);
      if (moved.state != io::Moved::State::done) {
        ended = moved.state == io::Moved::State::ended || moved.state == io::Moved::State::failed;
        return any;
      }
      any = true;
      caller.take({reinterpret_cast<char const*>(bytes.data()), moved.bytes});
      auto const came = static_cast<std::uint32_t>(caller.data_bytes - before);
      if (!credits || came == 0) continue;
      auto credit = window_update(0, came);
      for (auto const& [id, answer] : caller.answers)
        if (!answer.whole) credit += window_update(id, came);
      static_cast<void>(sim.start(wire.send(std::move(credit))));
      sim.settle();
    }
  }

  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  std::deque<io::Signal> waiting;
  std::size_t handled = 0, asked = 0;
  bool ended = false;
  std::unique_ptr<Server> server;
};

TEST_F(Http2SessionTest, the_preface_chooses_HTTP_2_though_it_comes_byte_by_byte) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  for (char const c : Http2Caller::hello() + Http2Caller::get(1, "/a"))
    talk(*wire, caller, std::string(1, c));

  EXPECT_EQ(caller.answer(1).status, "200");
  EXPECT_EQ(caller.answer(1).body, "GET /a ");
}

TEST_F(Http2SessionTest, other_first_bytes_are_HTTP_1) {
  begin();
  auto const wire = connect();
  sim.run(wire->send("PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n"));

  EXPECT_THAT(sim.run(wire->read_message()), HasSubstr("PROPFIND / "));
}

TEST_F(Http2SessionTest, many_requests_are_at_work_at_a_time_and_each_gets_its_own_answer) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  std::string requests = Http2Caller::hello() + settings_ack();
  for (std::uint32_t id = 1; id < 200; id += 2)
    requests += Http2Caller::post(id, id % 4 == 1 ? "/slow" : "/fast", "of " + std::to_string(id));
  talk(*wire, caller, requests);
  EXPECT_EQ(handled, 100U);
  EXPECT_EQ(caller.answer(3).body, "POST /fast of 3");
  EXPECT_EQ(caller.answer(1).status, "");

  let_go();
  talk(*wire, caller, "");
  for (std::uint32_t id = 1; id < 200; id += 2)
    EXPECT_EQ(caller.answer(id).body,
              (id % 4 == 1 ? "POST /slow of " : "POST /fast of ") + std::to_string(id));
}

TEST_F(Http2SessionTest, large_answers_come_whole_and_in_pieces) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller,
       Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/large") +
           Http2Caller::get(3, "/pieces"));

  EXPECT_EQ(caller.answer(1).body.size(), 3'000'000U);
  EXPECT_EQ(caller.answer(3).body.size(), 16 * 256 * 1024 + std::string("GET /pieces ").size());
  EXPECT_TRUE(caller.answer(3).whole);
  EXPECT_EQ(asked, 17U);
}

TEST_F(Http2SessionTest, pieces_are_not_asked_for_before_they_can_go) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/pieces"),
       false);

  EXPECT_EQ(asked, 1U);
  EXPECT_LE(caller.answer(1).body.size(), 65'535U);
}

TEST_F(Http2SessionTest, a_reader_that_stops_is_ended_and_its_handler_let_go) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/pieces"),
       false);
  sim.advance(62s);
  talk(*wire, caller, "", false);

  EXPECT_TRUE(ended);
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(Http2SessionTest, a_peer_that_reads_nothing_at_all_is_ended) {
  begin();
  auto const wire = connect();
  sim.run(wire->send(Http2Caller::hello({{initial_window_size, 0x7fffffff}}) + settings_ack() +
                     window_update(0, 0x7fffffff - 65535) + Http2Caller::get(1, "/large")));
  sim.settle();
  EXPECT_EQ(server->connections(), 1U);
  sim.advance(62s);

  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(Http2SessionTest, an_exception_of_a_handler_is_500_and_tells_nothing) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/throw"));

  EXPECT_EQ(caller.answer(1).status, "500");
  EXPECT_THAT(caller.answer(1).body, ::testing::Not(HasSubstr("secret")));
}

TEST_F(Http2SessionTest, draining_answers_what_is_under_way_and_ends) {
  begin();
  auto const wire = connect(), idle = connect();
  Http2Caller caller, other;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/slow"));
  talk(*idle, other, Http2Caller::hello() + settings_ack());

  auto const draining = sim.start(server->drain(sim.clock().now() + 20s));
  sim.advance(1s);
  talk(*idle, other, "");
  EXPECT_TRUE(ended);
  EXPECT_THAT(other.goaways, ElementsAre(std::pair(0U, no_error)));
  EXPECT_FALSE(draining.done());
  let_go();
  talk(*wire, caller, "");
  sim.advance(1s);

  EXPECT_EQ(caller.answer(1).body, "GET /slow ");
  EXPECT_THAT(caller.goaways,
              ElementsAre(std::pair(0x7fffffffU, no_error), std::pair(1U, no_error)));
  EXPECT_TRUE(draining.done());
}

TEST_F(Http2SessionTest, draining_has_an_end_though_a_handler_has_none) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/slow"));

  auto const draining = sim.start(server->drain(sim.clock().now() + 5s));
  sim.advance(6s);

  EXPECT_TRUE(draining.done());
}

TEST_F(Http2SessionTest, a_client_that_goes_away_leaves_its_handlers_to_their_end) {
  begin();
  auto wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1, "/slow"));
  wire->close();
  sim.advance(1s);
  EXPECT_EQ(server->connections(), 1U);

  let_go();
  sim.advance(1s);
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(Http2SessionTest, a_connection_cut_at_any_byte_disturbs_nobody) {
  begin();
  auto const steady = connect();
  Http2Caller theirs;
  talk(*steady, theirs, Http2Caller::hello() + settings_ack());
  std::string const talked = Http2Caller::hello() + settings_ack() +
                             Http2Caller::post(1, "/fast", "body") + Http2Caller::get(3, "/pieces");
  std::uint32_t id = 1;
  for (std::size_t cut = 0; cut <= talked.size(); cut += 1, id += 2) {
    auto wire = connect();
    sim.run(wire->send(talked.substr(0, cut)));
    talk(*steady, theirs, Http2Caller::post(id, "/mine", std::to_string(id)));
    EXPECT_EQ(theirs.answer(id).body, "POST /mine " + std::to_string(id));
    wire->close();
    sim.settle();
  }

  sim.advance(1s);
  EXPECT_EQ(server->connections(), 1U);
}

TEST_F(Http2SessionTest, an_idle_connection_is_closed_after_its_time) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + settings_ack() + Http2Caller::get(1));
  sim.advance(74s);
  EXPECT_EQ(server->connections(), 1U);
  sim.advance(2s);
  talk(*wire, caller, "");

  EXPECT_TRUE(ended);
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(Http2SessionTest, an_answer_of_what_is_wrong_ends_the_connection_with_its_code) {
  begin();
  auto const wire = connect();
  Http2Caller caller;
  talk(*wire, caller, Http2Caller::hello() + frame(Type::data, 0, 0, "x"));

  EXPECT_TRUE(ended);
  ASSERT_FALSE(caller.goaways.empty());
  EXPECT_EQ(caller.goaways.back().second, protocol_error);
}

}  // namespace
}  // namespace millrace::http::server
