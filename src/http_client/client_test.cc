#include "http_client/client.h"

#include "http_client/client_fixture.h"

namespace millrace::http::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST_F(ClientTest, sends_the_request_and_reads_the_answer) {
  ByHand server(sim);
  auto const asking = start(to(server.url(), "{\"a\":1}"));
  auto wire = server.next();

  auto const request = sim.finish(wire.read_message());
  sim.finish(wire.send("HTTP/1.1 201 Made\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"));
  auto const answer = await(asking);

  EXPECT_THAT(request,
              AllOf(StartsWith("POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:"),
                    HasSubstr("\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n"),
                    EndsWith("{\"a\":1}")));
  EXPECT_EQ(answer.trouble, Trouble::none);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(find_header(answer.headers, "SERVER"), "x");
  EXPECT_EQ(answer.reached, Phase::done);
  EXPECT_FALSE(answer.body_cut);
  EXPECT_THAT(answer.address, StartsWith("127.0.0.1:"));
}

TEST_F(ClientTest, uses_a_kept_connection_again) {
  ByHand server(sim);
  auto const first = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  sim.finish(wire.send("HTTP/1.1 204 No Content\r\n\r\n"));
  EXPECT_FALSE(await(first).reused);

  auto const second = start(to(server.url()));
  sim.finish(wire.read_message());
  sim.finish(
      wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
  auto const answer = await(second);

  EXPECT_TRUE(answer.reused);
  EXPECT_EQ(answer.body, "abc");
}

TEST_F(ClientTest, sends_again_when_a_kept_connection_was_closed_meanwhile) {
  ByHand server(sim);
  auto const first = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  sim.finish(wire.send("HTTP/1.1 204 No Content\r\n\r\n"));
  await(first);

  auto const second = start(to(server.url()));
  sim.finish(wire.read_message());
  wire.close();  // after the request, before any byte of an answer
  auto fresh = server.next();
  EXPECT_THAT(sim.finish(fresh.read_message()), StartsWith("POST /hook"));
  sim.finish(fresh.send("HTTP/1.1 204 No Content\r\n\r\n"));
  auto const answer = await(second);

  EXPECT_EQ(answer.status, 204);
  EXPECT_TRUE(answer.resent);
}

TEST_F(ClientTest, notices_before_sending_that_a_rested_connection_is_closed) {
  ByHand server(sim);
  auto const first = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  sim.finish(wire.send("HTTP/1.1 204 No Content\r\n\r\n"));
  await(first);
  wire.close();
  sim.advance(1s);

  auto const second = start(to(server.url()));
  auto fresh = server.next();
  sim.finish(fresh.read_message());
  sim.finish(fresh.send("HTTP/1.1 204 No Content\r\n\r\n"));
  auto const answer = await(second);

  EXPECT_FALSE(answer.resent);
  EXPECT_FALSE(answer.reused);
}

TEST_F(ClientTest, does_not_send_again_on_a_fresh_connection) {
  ByHand server(sim);
  auto const asking = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  wire.reset();
  auto const answer = await(asking);

  EXPECT_EQ(answer.trouble, Trouble::broken);
  EXPECT_FALSE(answer.resent);
  EXPECT_TRUE(server.is_untouched());
}

TEST_F(ClientTest, a_reset_within_the_headers_is_a_broken_connection) {
  ByHand server(sim);
  auto const asking = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  sim.finish(wire.send("HTTP/1.1 200 OK\r\nServ"));
  wire.reset();
  EXPECT_EQ(await(asking).trouble, Trouble::broken);
}

TEST_F(ClientTest, accepts_interim_answers_before_the_final_one) {
  auto const answer = answered_by(repeated("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 16) + ok +
                                  "Content-Length: 2\r\n\r\nok");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(client->open_connections(), 1U);
}

TEST_F(ClientTest, decides_by_the_clock_at_the_end_of_the_header_block) {
  for (bool const late : {false, true}) {
    ByHand server(sim);
    auto const asking = start(to(server.url()));
    auto wire = server.next();
    sim.finish(wire.read_message());
    // The sweep looks ten times a second; the verdict must not depend on when.
    auto const deadline = sim.clock().now() + (late ? 15001ms : 14999ms);
    sim.clock().move_to(deadline);
    sim.finish(wire.send(ok + "Content-Length: 0\r\n\r\n"));
    EXPECT_EQ(await(asking).trouble, late ? Trouble::timeout : Trouble::none);
    begin();
  }
}

TEST_F(ClientTest, dribbled_headers_do_not_buy_time) {
  ByHand server(sim);
  auto const asking = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  for (char const c : std::string("HTTP/1.1 200 OK\r\n")) {
    sim.finish(wire.send(std::string(1, c)));
    sim.advance(1s);
  }
  EXPECT_EQ(await(asking).trouble, Trouble::timeout);
}

TEST_F(ClientTest, an_answer_before_the_request_was_read_counts_and_ends_the_connection) {
  ByHand server(sim);
  std::string const body(30'000'000, 'x');
  auto const asking = start(to(server.url(), body));
  auto wire = server.next();
  sim.finish(wire.read_until("\r\n\r\n"));
  sim.finish(
      wire.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"));  // and reads no more
  auto const answer = await(asking);

  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(client->open_connections(), 0U);
}

TEST_F(ClientTest, a_peer_that_does_not_read_ends_at_the_deadline) {
  ByHand server(sim);
  std::string const body(30'000'000, 'x');
  auto const asking = start(to(server.url(), body));
  auto wire = server.next();
  sim.advance(16s);
  EXPECT_EQ(await(asking).trouble, Trouble::timeout);
  EXPECT_EQ(client->open_connections(), 0U);
}

TEST_F(ClientTest, sends_large_bodies_whole) {
  ByHand server(sim);
  std::string body;
  for (int i = 0; body.size() < 5'000'000; ++i) body += std::to_string(i) + ",";
  auto const asking = start(to(server.url(), body));
  auto wire = server.next();
  auto const request = sim.finish(wire.read_message());
  sim.finish(wire.send(ok + "Content-Length: 0\r\n\r\n"));

  EXPECT_EQ(await(asking).status, 200);
  EXPECT_EQ(request.substr(request.find("\r\n\r\n") + 4), body);
}

TEST_F(ClientTest, waits_for_a_connection_when_the_origin_has_enough) {
  begin({.connections_per_origin = 1});
  ByHand server(sim);
  auto const url = server.url();
  auto const first = start(to(url));
  auto const second = start(to(url));
  auto const third = start(to(url));
  auto wire = server.next();
  for (int i = 0; i < 2; ++i) {
    sim.finish(wire.read_message());
    sim.finish(wire.send(ok + "Content-Length: 0\r\n\r\n"));
  }
  EXPECT_EQ(await(first).status, 200);
  EXPECT_TRUE(await(second).reused);
  EXPECT_FALSE(third.done());
  sim.advance(16s);

  EXPECT_EQ(await(third).trouble, Trouble::timeout);
  EXPECT_TRUE(server.is_untouched());
}

TEST_F(ClientTest, makes_room_by_closing_the_connection_that_rested_longest) {
  begin({.connections = 1});
  ByHand one(sim), other(sim);
  auto const first = start(to(one.url()));
  auto wire = one.next();
  sim.finish(wire.read_message());
  sim.finish(wire.send(ok + "Content-Length: 0\r\n\r\n"));
  await(first);

  auto const second = start(to(other.url()));
  auto third = start(to(one.url()));  // waits: the process's limit is reached
  auto wire_2 = other.next();
  sim.finish(wire_2.read_message());
  sim.finish(wire_2.send(ok + "Content-Length: 0\r\n\r\n"));
  EXPECT_EQ(await(second).status, 200);
  auto wire_3 = one.next();
  sim.finish(wire_3.read_message());
  sim.finish(wire_3.send(ok + "Content-Length: 0\r\n\r\n"));

  EXPECT_EQ(await(third).status, 200);
  EXPECT_EQ(client->open_connections(), 1U);
}

TEST_F(ClientTest, closes_connections_that_rest_too_long) {
  ByHand server(sim);
  auto const asking = start(to(server.url()));
  auto wire = server.next();
  sim.finish(wire.read_message());
  sim.finish(wire.send(ok + "Content-Length: 0\r\n\r\n"));
  await(asking);
  EXPECT_EQ(client->open_connections(), 1U);
  sim.advance(52s);
  EXPECT_EQ(client->open_connections(), 0U);
  EXPECT_THAT(sim.finish(wire.read_all()), IsEmpty());
}

TEST_F(ClientTest, a_cancelled_ask_closes_its_connection) {
  ByHand server(sim);
  auto wire = [&] {
    io::TaskScope scope(sim.executor());
    scope.start([](Client& of, Ask ask) -> io::Task<void> { co_await of.ask(ask); }(
                                            *client, to(server.url())));
    auto taken = server.next();
    sim.finish(taken.read_message());
    sim.run_until([&, done = false]() mutable {
      if (!std::exchange(done, true)) io::asio::post(sim.executor(), [&] { scope.cancel(); });
      return scope.running() == 0;
    });
    return taken;
  }();
  EXPECT_EQ(client->open_connections(), 0U);
  EXPECT_THAT(sim.finish(wire.read_all()), IsEmpty());
}

TEST_F(ClientTest, nobody_listening_is_refused) {
  std::string url;
  {
    ByHand server(sim);
    url = server.url();
  }
  auto const answer = await(start(to(url)));
  EXPECT_EQ(answer.trouble, Trouble::refused);
  EXPECT_EQ(answer.reached, Phase::connect);
  EXPECT_THAT(answer.reason, HasSubstr("refused"));
}

TEST_F(ClientTest, the_guard_refuses_addresses_and_plain_http) {
  EXPECT_THAT(await(start(to("https://10.0.0.7/"))).reason,
              HasSubstr("10.0.0.7 is a private address"));
  EXPECT_THAT(await(start(to("http://8.8.8.8/"))).reason,
              HasSubstr("http:// to 8.8.8.8 is not allowed"));
  EXPECT_EQ(await(start(to("https://[::ffff:169.254.169.254]/"))).trouble, Trouble::refused);
}

TEST_F(ClientTest, a_malformed_head_of_the_caller_never_leaves) {
  auto ask = to("http://127.0.0.1:1/");
  ask.head = "X: a\r\n\r\nGET / HTTP/1.1\r\n";
  EXPECT_EQ(await(start(ask)).trouble, Trouble::own_side);
}

TEST_F(ClientTest, finds_names_of_the_hosts_file) {
  ByHand server(sim);
  auto const asking = start(to(server.url("http", "localhost")));
  auto wire = server.next();
  EXPECT_THAT(sim.finish(wire.read_message()), HasSubstr("\r\nHost: localhost:"));
  sim.finish(wire.send(ok + "Content-Length: 0\r\n\r\n"));
  EXPECT_EQ(await(asking).status, 200);
}

}  // namespace
}  // namespace millrace::http::client
