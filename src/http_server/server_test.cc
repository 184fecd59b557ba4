#include "http_server/server.h"

#include <gmock/gmock.h>

#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::server {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using testing::Wire;

// Answers with what it saw.
io::Task<ServerResponse> echo(ServerRequest request) {
  ServerResponse response;
  response.headers = {{"Content-Type", "text/plain"}};
  response.body = request.method + " " + request.path + " [" + request.query + "] " + request.body;
  if (request.path == "/empty") {
    response = {};
    response.status = 204;
  }
  if (request.path == "/throw") throw std::runtime_error("secret of the handler");
  if (request.path == "/inject") response.headers.push_back({"X", "a\r\nSet-Cookie: b"});
  if (request.path == "/large") response.body.assign(8'000'000, 'x');
  if (request.path == "/close") response.close = true;
  co_return response;
}

class ServerTest : public ::testing::Test {
 protected:
  void begin(ServerLimits limits = {}, Handler handler = echo) {
    server = serve(testing::loopback_listener(sim.executor()), sim.executor(), {sim.executor()},
                   std::move(handler), sim.clock(), limits);
  }
  // Sends `text` on a connection of its own and gives all that comes until the server closes.
  std::string exchange(std::string text) {
    return sim.finish(exchange_task(server->local(), std::move(text)));
  }
  static io::Task<std::string> exchange_task(io::Endpoint at, std::string text) {
    auto wire = co_await testing::wire_to(at);
    co_await wire.send(std::move(text));
    wire.end_writing();
    co_return co_await wire.read_all();
  }
  Wire connect() { return sim.finish(testing::wire_to(server->local())); }

  testing::Sim sim;
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, answers_with_date_and_length) {
  begin();
  EXPECT_THAT(
      exchange("GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 200 OK\r\nDate: "), HasSubstr(" GMT\r\n"),
            HasSubstr("\r\nContent-Length: 15\r\n"), HasSubstr("\r\nContent-Type: text/plain\r\n"),
            EndsWith("\r\n\r\nGET /a/b [c=d] ")));
}

TEST_F(ServerTest, keeps_connections_and_answers_pipelined_requests_in_order) {
  begin();
  auto wire = connect();

  sim.finish(
      wire.send("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /2 "
                "HTTP/1.1\r\nHost: x\r\n\r\n"
                "\r\nPOST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3;e=1\r\nxyz\r\n0\r\nT: r\r\n\r\nGET /4 HT"));

  EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("POST /1 [] abc"));
  EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("GET /2 [] "));
  EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("POST /3 [] xyz"));
  sim.finish(wire.send("TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(sim.finish(wire.read_all()),
              AllOf(HasSubstr("Connection: close\r\n"), EndsWith("GET /4 [] ")));
}

TEST_F(ServerTest, understands_a_request_that_comes_byte_by_byte) {
  begin();
  auto wire = connect();
  std::string const request =
      "\r\nPOST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n0\r\n\r\n";

  for (char const c : request) {
    sim.finish(wire.send(std::string(1, c)));
    sim.settle();
  }

  EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("POST /x [] wxyz"));
}

TEST_F(ServerTest, gives_bodies_of_any_size_that_come_after_their_heads_as_they_came) {
  begin();
  auto wire = connect();
  for (std::size_t size = 1; size < 70; ++size) {
    std::string const body(size, 'b');
    sim.finish(
        wire.send(fmt::format("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", size)));
    sim.settle();
    sim.finish(wire.send(body));

    EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("\r\n\r\nPOST /x [] " + body)) << size;
  }
}

TEST_F(ServerTest, takes_large_bodies_and_gives_large_answers) {
  begin({}, [](ServerRequest request) -> io::Task<ServerResponse> {
    ServerResponse response;
    response.body = std::move(request.body);
    co_return response;
  });
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i) + ",";
  auto wire = connect();

  auto const sending = sim.start(wire.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                           std::to_string(body.size()) + "\r\n\r\n" + body));
  auto const answer = sim.finish(wire.read_message());

  EXPECT_TRUE(sending.done());
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), body);
}

TEST_F(ServerTest, says_continue_only_when_it_will_read_the_body) {
  begin({.body_bytes = 10});
  auto wire = connect();
  sim.finish(wire.send(
      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"));
  EXPECT_EQ(sim.finish(wire.read_until("\r\n\r\n")), "HTTP/1.1 100 Continue\r\n\r\n");
  sim.finish(wire.send("ab"));
  EXPECT_THAT(sim.finish(wire.read_message()), EndsWith("POST /x [] ab"));

  EXPECT_THAT(
      exchange("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"),
      StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(
      exchange("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\na"),
      StartsWith("HTTP/1.1 417 "));
}

TEST_F(ServerTest, answers_HEAD_and_204_without_a_body) {
  begin();
  EXPECT_THAT(exchange("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 11\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(exchange("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 204 "), Not(HasSubstr("Content-Length"))));
}

TEST_F(ServerTest, closes_after_HTTP_1_0_and_on_request_of_either_side) {
  begin();
  auto const closes = [&](std::string request) {
    auto wire = connect();
    sim.finish(wire.send(std::move(request)));
    return sim.finish(wire.read_all());  // ends only when the server closes
  };
  EXPECT_THAT(closes("GET / HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close"));
  EXPECT_THAT(closes("GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n"),
              HasSubstr("Connection: close"));
  EXPECT_THAT(closes("GET /close HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("Connection: close"));
}

TEST_F(ServerTest, takes_the_absolute_form) {
  begin();
  EXPECT_THAT(exchange("GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n"), EndsWith("GET /a [b] "));
  EXPECT_THAT(exchange("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"), EndsWith("GET / [] "));
}

TEST_F(ServerTest, turns_a_handlers_exception_into_500_and_tells_nothing) {
  begin();
  EXPECT_THAT(exchange("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("secret"))));
}

TEST_F(ServerTest, does_not_let_a_handler_inject_header_lines) {
  begin();
  EXPECT_THAT(exchange("GET /inject HTTP/1.1\r\nHost: x\r\n\r\n"), Not(HasSubstr("\nSet-Cookie")));
}

struct Malformed {
  char const* name;
  std::string request;
  char const* status;
};

class MalformedTest : public ServerTest, public ::testing::WithParamInterface<Malformed> {};

TEST_P(MalformedTest, is_refused_and_the_connection_closed) {
  begin();
  auto wire = connect();
  sim.finish(wire.send(GetParam().request));
  EXPECT_THAT(sim.finish(wire.read_all()),
              AllOf(StartsWith(std::string("HTTP/1.1 ") + GetParam().status),
                    HasSubstr("Connection: close")));
}

INSTANTIATE_TEST_SUITE_P(
    Requests, MalformedTest,
    ::testing::Values(
        Malformed{"space_in_name", "GET / HTTP/1.1\r\nHo st: x\r\nHost: x\r\n\r\n", "400"},
        Malformed{"space_before_colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
        Malformed{"bare_line_feeds", "GET / HTTP/1.1\nHost: x\n\n", "400"},
        Malformed{"one_bare_line_feed", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "400"},
        Malformed{"bare_return_in_value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400"},
        Malformed{"folded_line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400"},
        Malformed{"NUL_in_value", std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 35),
                  "400"},
        Malformed{"empty_name", "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", "400"},
        Malformed{"version_9", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "505"},
        Malformed{"version_2_and_no_preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "505"},
        Malformed{"no_version", "GET /\r\n\r\n", "400"},
        Malformed{"unknown_method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        Malformed{"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        Malformed{"bytes_above_ascii_in_target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
                  "400"},
        Malformed{"no_host", "GET / HTTP/1.1\r\n\r\n", "400"},
        Malformed{"two_hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
        Malformed{"length_and_encoding",
                  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n0\r\n\r\n",
                  "400"},
        Malformed{"two_lengths",
                  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
                  "400"},
        Malformed{"signed_length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
                  "400"},
        Malformed{"negative_length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
                  "400"},
        Malformed{"list_of_lengths",
                  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", "400"},
        Malformed{"giant_length",
                  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                  "400"},
        Malformed{"too_long_body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
                  "413"},
        Malformed{"gzip_encoding",
                  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                  "501"},
        Malformed{"chunked_1_0",
                  "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  "400"},
        Malformed{"chunk_size",
                  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
        Malformed{
            "chunk_size_overflow",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
            "400"},
        Malformed{
            "chunk_bare_feed",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
            "400"},
        Malformed{
            "chunk_longer_than_said",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            "400"},
        Malformed{"large_head",
                  "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(70'000, 'a') + "\r\n\r\n",
                  "431"},
        Malformed{"endless_head", "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(70'000, 'a'),
                  "431"},
        Malformed{"long_target",
                  "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "414"},
        Malformed{"many_headers",
                  [] {
                    std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
                    for (int i = 0; i < 300; ++i) text += "A: b\r\n";
                    return text + "\r\n";
                  }(),
                  "431"}),
    [](auto const& info) { return info.param.name; });

TEST_F(ServerTest, counts_a_chunked_body_against_the_limit) {
  begin({.body_bytes = 1000});
  std::string request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) request += "64\r\n" + std::string(100, 'a') + "\r\n";
  EXPECT_THAT(exchange(request), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, ends_slow_heads_and_bodies_with_408_and_idle_connections_silently) {
  begin();
  auto slow_head = connect();
  auto slow_body = connect();
  auto idle = connect();
  sim.finish(slow_head.send("GET / HT"));
  sim.finish(slow_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na"));
  sim.run_until([&] { return server->connections() == 3; });
  sim.finish(testing::wire_to(server->local()));  // what was sent before has arrived
  sim.settle();

  sim.advance(14s);
  sim.finish(slow_head.send("TP"));  // a byte now and then buys no time
  sim.advance(2s);
  EXPECT_THAT(sim.finish(slow_head.read_all()), StartsWith("HTTP/1.1 408 "));
  sim.advance(45s);
  EXPECT_THAT(sim.finish(slow_body.read_all()), StartsWith("HTTP/1.1 408 "));
  sim.advance(15s);
  EXPECT_THAT(sim.finish(idle.read_all()), IsEmpty());
  sim.run_until([&] { return server->connections() == 0; });
}

TEST_F(ServerTest, gives_up_on_a_peer_that_does_not_read) {
  begin();
  auto wire = connect();
  sim.finish(wire.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
  sim.finish(wire.read_until("\r\n\r\n"));
  sim.settle();
  sim.advance(61s);
  EXPECT_LT(sim.finish(wire.read_all()).size(), 8'000'000U);
}

TEST_F(ServerTest, refuses_connections_beyond_the_limit_when_none_rests) {
  io::Signal never(sim.executor());
  bool waiting = false;
  begin({.connections = 1}, [&](ServerRequest) {
    return [](io::Signal& signal, bool& waits) -> io::Task<ServerResponse> {
      waits = true;
      co_await signal.wait();
      co_return ServerResponse{};
    }(never, waiting);
  });
  auto first = connect();
  sim.finish(first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  sim.run_until([&] { return waiting; });

  auto second = connect();

  EXPECT_THAT(sim.finish(second.read_all()), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(server->refused().connections.at("no_place"), 1U);
}

TEST_F(ServerTest, lets_bodies_wait_unread_while_the_memory_is_taken) {
  begin({.bodies_in_memory = 300'000});
  std::string const body(250'000, 'a');
  auto const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 250000\r\n\r\n";
  auto first = connect();
  sim.finish(first.send(head + body.substr(1)));  // the last byte is missing
  sim.run_until([&] { return server->connections() == 1; });
  for (int i = 0; i < 50; ++i) sim.settle();
  auto second = connect();
  auto const sending = sim.start(second.send(head + body));
  auto const reading = sim.start(second.read_message());
  for (int i = 0; i < 50; ++i) sim.settle();
  sim.advance(1s);
  EXPECT_FALSE(reading.done());

  sim.finish(first.send("a"));
  EXPECT_THAT(sim.finish(first.read_message()), StartsWith("HTTP/1.1 200 "));
  sim.run_until([&] {
    sim.advance(20ms);
    return reading.done();
  });
  EXPECT_THAT(reading.value(), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(sending.done());
}

TEST_F(ServerTest, drains_by_finishing_what_runs_and_closing_what_idles) {
  io::Signal go(sim.executor());
  bool waiting = false;
  begin({}, [&](ServerRequest request) {
    return [](io::Signal& signal, bool& waits, ServerRequest) -> io::Task<ServerResponse> {
      waits = true;
      co_await signal.wait();
      co_return ServerResponse{};
    }(go, waiting, std::move(request));
  });
  auto idle = connect();
  auto busy = connect();
  sim.finish(busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  sim.run_until([&] { return waiting && server->connections() == 2; });

  auto const draining = sim.start(server->drain(sim.clock().now() + 10s));
  EXPECT_THAT(sim.finish(idle.read_all()), IsEmpty());
  EXPECT_FALSE(draining.done());
  go.notify();

  EXPECT_THAT(sim.finish(busy.read_message()),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Connection: close")));
  busy.close();
  sim.run_until([&] { return draining.done(); });
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(ServerTest, cuts_what_is_left_when_the_drain_is_over) {
  io::Signal never(sim.executor());
  bool waiting = false;
  begin({}, [&](ServerRequest) {
    return [](io::Signal& signal, bool& waits) -> io::Task<ServerResponse> {
      waits = true;
      co_await signal.wait();
      co_return ServerResponse{};
    }(never, waiting);
  });
  auto busy = connect();
  sim.finish(busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  sim.run_until([&] { return waiting; });

  auto const draining = sim.start(server->drain(sim.clock().now() + 10s));
  sim.settle();
  sim.advance(9s);
  EXPECT_FALSE(draining.done());
  sim.advance(2s);

  sim.run_until([&] { return draining.done(); });
  EXPECT_THAT(sim.finish(busy.read_all()), IsEmpty());
}

}  // namespace
}  // namespace millrace::http::server
