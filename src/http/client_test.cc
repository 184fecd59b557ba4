#include "http/client.h"

#include <gmock/gmock.h>

#include <deque>

#include "http/tls.h"
#include "testing/certificates.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::Wire;

// A listener whose connections the test takes and speaks on by hand.
class ByHand {
 public:
  explicit ByHand(testing::Sim& sim)
      : sim_(sim), acceptor_(testing::loopback_listener(sim.executor())) {
    accepting_ = sim.start(accept_all(*acceptor_, sim.executor(), wires_));
  }
  ~ByHand() {
    acceptor_->close();
    sim_.run_until([&] { return accepting_.done(); });
  }
  std::string url(std::string const& scheme = "http", std::string const& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(acceptor_->local().port()) + "/hook?a=b";
  }
  Wire next() {
    sim_.run_until([&] { return !wires_.empty(); });
    auto wire = std::move(wires_.front());
    wires_.pop_front();
    return wire;
  }
  bool is_untouched() const { return wires_.empty(); }

 private:
  static io::Task<void> accept_all(io::Acceptor& acceptor, io::Executor loop,
                                   std::deque<Wire>& wires) {
    for (;;) {
      auto stream = co_await acceptor.accept(loop);
      if (!stream) co_return;
      wires.emplace_back(std::move(*stream));
    }
  }
  testing::Sim& sim_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::deque<Wire> wires_;
  testing::Started<testing::Nothing> accepting_;
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() { begin(); }
  void begin(ClientLimits limits = {}, TlsSettings tls = {}) {
    client.reset();
    client = std::move(*make_client(sim.executor(), network, sim.clock(), guard, tls, limits));
  }
  // The URL lives as long as the test.
  Ask to(std::string const& text, std::string_view body = "{}") {
    urls.push_back(parse_url(text).value());
    Ask ask;
    ask.url = &urls.back();
    ask.head = "Content-Type: application/json\r\n";
    ask.body = body;
    return ask;
  }
  testing::Started<Answer> start(Ask ask) { return sim.start(client->ask(ask)); }
  Answer await(testing::Started<Answer> const& started) {
    sim.run_until([&] { return started.done(); });
    return started.value();
  }
  // One request, one scripted answer; then the peer stays silent, or closes.
  Answer answered_by(std::string script, bool closes = false) {
    ByHand server(sim);
    auto const asking = start(to(server.url()));
    auto wire = server.next();
    sim.finish(wire.read_message());
    sim.finish(wire.send(std::move(script)));
    if (closes) wire.close();
    for (int i = 0; i < 20 && !asking.done(); ++i)
      sim.run_until([n = 0]() mutable { return ++n > 2; });
    if (!asking.done()) sim.advance(16s);
    return await(asking);
  }

  io::SystemNetwork network;
  Guard guard = *Guard::make({"127.0.0.0/8", "::1/128"});
  testing::Sim sim;
  std::deque<Url> urls;
  std::unique_ptr<Client> client;
};

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

struct Hostile {
  char const* name;
  std::string script;
  bool closes;
  Trouble trouble;
  int status;
  char const* reason;
};

class HostileTest : public ClientTest, public ::testing::WithParamInterface<Hostile> {};

TEST_P(HostileTest, is_judged_by_its_header_block_and_not_used_again) {
  auto const& hostile = GetParam();
  auto const answer = answered_by(hostile.script, hostile.closes);

  EXPECT_EQ(answer.trouble, hostile.trouble) << answer.reason;
  if (hostile.trouble == Trouble::none) EXPECT_EQ(answer.status, hostile.status);
  EXPECT_THAT(answer.reason, HasSubstr(hostile.reason));
  EXPECT_LE(answer.body.size(), 64U * 1024);
  EXPECT_EQ(client->open_connections(), 0U);
}

std::string repeated(std::string const& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

std::string const ok = "HTTP/1.1 200 OK\r\n";

INSTANTIATE_TEST_SUITE_P(
    Endpoints, HostileTest,
    ::testing::Values(
        Hostile{"unfinished_headers", ok + "Server: x\r\n", false, Trouble::timeout, 0,
                "not complete in time"},
        Hostile{"silence", "", false, Trouble::timeout, 0, "no answer"},
        Hostile{"unfinished_body", ok + "Content-Length: 10\r\n\r\nabc", false, Trouble::none, 200,
                "slow body"},
        Hostile{"endless_body", ok + "\r\n" + std::string(200'000, 'x'), false, Trouble::none, 200,
                "large body"},
        Hostile{"large_counted_body",
                ok + "Content-Length: 9000000\r\n\r\n" + std::string(200'000, 'x'), false,
                Trouble::none, 200, "large body"},
        Hostile{"body_until_end", ok + "\r\nhello", true, Trouble::none, 200, ""},
        Hostile{"short_body", ok + "Content-Length: 10\r\n\r\nabc", true, Trouble::none, 200,
                "bad framing"},
        Hostile{"ends_in_headers", ok + "Server: x\r\n", true, Trouble::broken, 0,
                "within the answer's header block"},
        Hostile{"two_lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", false,
                Trouble::protocol, 0, "Content-Length"},
        Hostile{"negative_length", ok + "Content-Length: -1\r\n\r\n", false, Trouble::protocol, 0,
                "Content-Length"},
        Hostile{"length_and_chunks",
                ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
                Trouble::protocol, 0, "both"},
        Hostile{"interim_flood",
                repeated("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 17) + ok +
                    "Content-Length: 0\r\n\r\n",
                false, Trouble::protocol, 0, "16 interim"},
        Hostile{"switching_protocols",
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
                false, Trouble::protocol, 0, "101"},
        Hostile{"huge_headers", ok + repeated("X: " + std::string(1000, 'x') + "\r\n", 70) + "\r\n",
                false, Trouble::protocol, 0, "64 KiB"},
        Hostile{"endless_header", ok + "X: " + std::string(70'000, 'x'), false, Trouble::protocol,
                0, "64 KiB"},
        Hostile{"bad_chunks", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", false, Trouble::none,
                200, "bad framing"},
        Hostile{"giant_chunk", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", false,
                Trouble::none, 200, "bad framing"},
        Hostile{"junk", "hello, who is there?\r\n\r\n", false, Trouble::protocol, 0,
                "not HTTP/1.1"},
        Hostile{"html_of_0_9", "<html></html>\r\n\r\n", true, Trouble::protocol, 0, "not HTTP/1.1"},
        Hostile{"bare_line_feeds", "HTTP/1.1 200 OK\nServer: x\n\n", false, Trouble::protocol, 0,
                "CRLF"},
        Hostile{"version_2", "HTTP/2.0 200 OK\r\n\r\n", false, Trouble::protocol, 0,
                "not HTTP/1.1"},
        Hostile{"NUL_in_header", ok + std::string("X: a\0b\r\n\r\n", 10), false, Trouble::protocol,
                0, "control"},
        Hostile{"folded_header", ok + "X: a\r\n b\r\n\r\n", false, Trouble::protocol, 0, "folded"},
        Hostile{"status_99", "HTTP/1.1 099 Odd\r\n\r\n", false, Trouble::protocol, 0,
                "three digits"},
        Hostile{"status_0", "HTTP/1.1 0 Odd\r\n\r\n", false, Trouble::protocol, 0, "three digits"},
        Hostile{"status_999", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                false, Trouble::none, 999, ""},
        Hostile{"no_content_with_body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
                false, Trouble::none, 204, "behind"},
        Hostile{"no_content_with_body_to_come",
                "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, Trouble::none, 204,
                ""},
        Hostile{"smuggled_answer",
                ok + "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false,
                Trouble::none, 200, "behind"},
        Hostile{"redirect",
                "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: "
                "0\r\nConnection: close\r\n\r\n",
                false, Trouble::none, 302, ""}),
    [](auto const& info) { return info.param.name; });

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

// ---- TLS

class TlsTest : public ClientTest {
 protected:
  void SetUp() override {
    begin({}, {.extra_ca_file = files.write("ca.pem", authority.certificate_pem())});
  }
  static io::Task<ServerResponse> yes(ServerRequest) {
    ServerResponse response;
    response.body = "yes";
    co_return response;
  }
  std::string serve_with(testing::Certificate const& leaf) {
    auto const tls = make_tls_server(files.write("cert.pem", leaf.certificate_pem),
                                     files.write("key.pem", leaf.key_pem));
    check(tls.has_value(), "the certificate can be served");
    server = serve(testing::loopback_listener(sim.executor()), sim.executor(), {sim.executor()},
                   yes, sim.clock(), {}, *tls);
    return ":" + std::to_string(server->local().port()) + "/";
  }
  Answer ask(std::string const& url, std::string_view body = "{}") {
    return await(start(to(url, body)));
  }

  testing::TemporaryFiles files;
  testing::CertificateAuthority authority;
  std::unique_ptr<Server> server;
};

TEST_F(TlsTest, speaks_to_names_and_addresses_that_the_certificate_has) {
  auto const at = serve_with(authority.leaf({.names = {"localhost"}, .addresses = {"127.0.0.1"}}));
  auto const answer = ask("https://localhost" + at);
  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(answer.body, "yes");
  EXPECT_EQ(answer.tls_version, "TLSv1.3");
  EXPECT_EQ(ask("https://127.0.0.1" + at).status, 200);
  EXPECT_TRUE(ask("https://127.0.0.1" + at).reused);
}

TEST_F(TlsTest, carries_large_bodies) {
  auto const at = serve_with(authority.leaf({.addresses = {"127.0.0.1"}}));
  EXPECT_EQ(ask("https://127.0.0.1" + at, std::string(3'000'000, 'x')).status, 200);
}

TEST_F(TlsTest, says_why_a_certificate_is_refused) {
  auto const refusal = [&](testing::Certificate const& leaf) {
    auto const answer = ask("https://127.0.0.1" + serve_with(leaf));
    EXPECT_EQ(answer.trouble, Trouble::tls);
    EXPECT_EQ(answer.reached, Phase::tls);
    return answer.reason;
  };
  EXPECT_THAT(
      refusal(authority.leaf({.addresses = {"127.0.0.1"}, .valid_from = -48h, .valid_to = -2h})),
      HasSubstr("certificate expired on 20"));
  EXPECT_THAT(refusal(authority.leaf({.addresses = {"127.0.0.1"}, .valid_from = 2h})),
              HasSubstr("not valid before 20"));
  EXPECT_THAT(refusal(authority.leaf({.names = {"a.example", "b.example"}})),
              HasSubstr("certificate is for a.example, b.example, not 127.0.0.1"));
  testing::CertificateAuthority const stranger("Stranger");
  EXPECT_THAT(refusal(stranger.leaf({.addresses = {"127.0.0.1"}})),
              HasSubstr("issued by an unknown authority: CN=Stranger"));
  EXPECT_THAT(refusal(testing::self_signed({.addresses = {"127.0.0.1"}})),
              HasSubstr("signed by itself: CN=127.0.0.1"));
}

TEST_F(TlsTest, resumes_sessions) {
  auto const leaf = authority.leaf({.addresses = {"127.0.0.1"}});
  auto const tls = make_tls_server(files.write("cert.pem", leaf.certificate_pem),
                                   files.write("key.pem", leaf.key_pem));
  auto const at = testing::loopback_listener(sim.executor());
  auto const trust =
      make_tls_client({.extra_ca_file = files.write("ca.pem", authority.certificate_pem())});
  auto const url = parse_url("https://127.0.0.1/").value();
  SslSession session;
  for (bool const expected : {false, true}) {
    auto const accepting = sim.start(at->accept(sim.executor()));
    auto to_server = sim.finish(network.connect(at->local()));
    sim.run_until([&] { return accepting.done(); });
    auto const ours = (*trust)->connecting(std::move(*to_server), url, session, false);
    auto const theirs = tls_accepting(std::move(*accepting.value()), **tls);
    auto const serving = sim.start(theirs->handshake());
    ASSERT_TRUE(sim.finish(ours->handshake()).has_value());
    sim.run_until([&] { return serving.done(); });
    std::array<std::byte, 100> buffer;
    ASSERT_TRUE(sim.finish(ours->readable()).has_value());
    EXPECT_EQ(ours->try_read(buffer).state, io::Moved::State::again);  // the ticket
    EXPECT_EQ(ours->resumed(), expected);
  }
}

TEST_F(TlsTest, a_peer_that_never_speaks_TLS_ends_at_the_deadline) {
  ByHand silent(sim);
  auto const asking = start(to(silent.url("https")));
  auto wire = silent.next();
  sim.finish(wire.read_count(1));
  sim.advance(16s);
  auto const answer = await(asking);
  EXPECT_EQ(answer.trouble, Trouble::timeout);
  EXPECT_EQ(answer.reached, Phase::tls);
}

TEST_F(TlsTest, a_peer_that_speaks_plain_http_breaks_the_handshake) {
  ByHand plain(sim);
  auto const asking = start(to(plain.url("https")));
  auto wire = plain.next();
  sim.finish(wire.send("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_EQ(await(asking).trouble, Trouble::tls);
}

TEST_F(TlsTest, refuses_files_that_are_no_certificates) {
  EXPECT_EQ(make_tls_server("/nowhere", "/nowhere").error().fault, Fault::missing);
  auto const junk = files.write("junk.pem", "junk");
  EXPECT_EQ(make_tls_server(junk, junk).error().fault, Fault::invalid);
  EXPECT_EQ(make_client(sim.executor(), network, sim.clock(), guard, {.extra_ca_file = junk})
                .error()
                .fault,
            Fault::invalid);
  auto const one = authority.leaf({.names = {"a"}});
  auto const other = authority.leaf({.names = {"b"}});
  EXPECT_EQ(make_tls_server(files.write("a.pem", one.certificate_pem),
                            files.write("b.key", other.key_pem))
                .error()
                .fault,
            Fault::invalid);
}

}  // namespace
}  // namespace millrace::http
