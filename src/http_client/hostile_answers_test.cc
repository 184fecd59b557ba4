// Endpoints that answer badly, each over plain HTTP and over TLS. docs/hostile.md has the list.
#include "http_client/hostile_fixture.h"

namespace millrace::http::client {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string const ok = "HTTP/1.1 200 OK\r\n";

// ---- Scripts

using Play = io::Task<void> (*)(Peer&);

// Sends the text again and again, at once or once a second, until the client goes away.
io::Task<void> send_for_ever(Peer& peer, std::string begin, std::string again, Duration pause) {
  bool well = co_await peer.wire.send(begin);
  while (well) {
    if (pause > Duration::zero()) co_await peer.clock.sleep_for(pause);
    well = co_await peer.wire.send(again);
  }
}
io::Task<void> after_request(Peer& peer, std::string begin, std::string again = "",
                             Duration pause = {}) {
  co_await peer.wire.read_message();
  if (again.empty())
    co_await peer.wire.send(begin);
  else
    co_await send_for_ever(peer, begin, again, pause);
}
void reset(Peer& peer) { peer.network.cut(boost::asio::ip::make_address("10.1.2.3")); }

io::Task<void> silence(Peer& peer) { return after_request(peer, ""); }
io::Task<void> slow_headers(Peer& peer) { return after_request(peer, ok + "X: ", "y", 1s); }
io::Task<void> slow_body(Peer& peer) {
  return after_request(peer, ok + "Content-Length: 1000\r\n\r\n", "x", 1s);
}
io::Task<void> infinite_body(Peer& peer) {
  return after_request(peer, ok + "\r\n", std::string(16'000, 'x'));
}
io::Task<void> infinite_chunks(Peer& peer) {
  return after_request(peer, ok + "Transfer-Encoding: chunked\r\n\r\n",
                       "1000\r\n" + std::string(0x1000, 'x') + "\r\n");
}
io::Task<void> infinite_chunk_extension(Peer& peer) {
  return after_request(peer, ok + "Transfer-Encoding: chunked\r\n\r\n5;", std::string(16'000, 'x'));
}
io::Task<void> infinite_trailer(Peer& peer) {
  return after_request(peer, ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: yyyyyyyyyyy\r\n");
}
io::Task<void> tiny_chunks(Peer& peer) {
  return after_request(peer, ok + "Transfer-Encoding: chunked\r\n\r\n",
                       "0000000000001;x=y\r\nx\r\n1\r\ny\r\n");
}
io::Task<void> counted_gigabytes(Peer& peer) {
  return after_request(peer, ok + "Content-Length: 10000000000\r\n\r\n", std::string(16'000, 'x'));
}
io::Task<void> infinite_headers(Peer& peer) {
  return after_request(peer, ok, "X: " + std::string(1000, 'x') + "\r\n");
}
io::Task<void> infinite_header(Peer& peer) {
  return after_request(peer, ok + "X: ", std::string(16'000, 'x'));
}
io::Task<void> infinite_interims(Peer& peer) {
  return after_request(peer, "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
}
io::Task<void> slow_interims(Peer& peer) {
  return after_request(peer, "", "HTTP/1.1 102 Processing\r\n\r\n", 1s);
}
io::Task<void> end_at_once(Peer& peer) {
  co_await peer.wire.read_message();
  peer.wire.close();
}
io::Task<void> reset_at_once(Peer& peer) {
  co_await peer.wire.read_message();
  reset(peer);
}
io::Task<void> reset_in_headers(Peer& peer) {
  co_await after_request(peer, ok + "Server: x\r\n");
  co_await peer.clock.sleep_for(1s);
  reset(peer);
}
io::Task<void> reset_in_body(Peer& peer) {
  co_await after_request(peer, ok + "Content-Length: 10\r\n\r\nabc");
  co_await peer.clock.sleep_for(1s);
  reset(peer);
}
io::Task<void> never_read(Peer& peer) {
  co_await peer.wire.read_count(100);
  co_await peer.clock.sleep_for(1h);
}

// ---- The table

struct Hostile {
  char const* name;
  std::variant<std::string, Play> plays;  // a text is sent once, behind the request
  Trouble trouble;
  int status;
  char const* reason;
  Duration within = {};  // simulated; zero: at once
  bool ends = false;     // behind the text
};

std::ostream& operator<<(std::ostream& out, Hostile const& hostile) { return out << hostile.name; }

class HostileTest : public HostileFixture,
                    public ::testing::WithParamInterface<std::tuple<Hostile, bool>> {};

io::Task<void> play(Hostile const& hostile, Peer& peer) {
  if (auto const* const by_hand = std::get_if<Play>(&hostile.plays)) {
    co_await (*by_hand)(peer);
    co_return;
  }
  co_await after_request(peer, std::get<std::string>(hostile.plays));
  if (hostile.ends) peer.wire.close();
}

TEST_P(HostileTest, is_bounded_and_its_connection_is_not_used_again) {
  auto const& [hostile, tls] = GetParam();
  listen([&h = hostile](Peer& peer) { return play(h, peer); }, tls);

  auto const [answer, took, bytes, came] = exchange(hook());

  EXPECT_EQ(answer.trouble, hostile.trouble) << answer.reason;
  EXPECT_EQ(answer.status, hostile.status);
  EXPECT_THAT(answer.reason, HasSubstr(hostile.reason));
  EXPECT_LE(answer.body.size(), 64U * 1024);
  EXPECT_LE(took, hostile.within);
  EXPECT_LE(bytes, 1024U * 1024);
  EXPECT_LE(came, 512U * 1024);
  EXPECT_EQ(client->open_connections(), 0U);
  exchange(hook());
  // Who ends without a byte behind TLS is once asked whether it speaks HTTP/2.
  bool const probed = tls && answer.reason.contains("chose neither HTTP/1.1 nor HTTP/2");
  EXPECT_EQ(endpoint->connections(), probed ? 3U : 2U);
}

constexpr auto deadline = 15'100ms;  // the sweep looks ten times a second
constexpr auto none = Trouble::none;

std::string headers_of(int kibibytes) {
  std::string lines;
  for (int i = 0; i < kibibytes; ++i) lines += "X: " + std::string(1019, 'x') + "\r\n";
  return lines;
}

std::string text(char const* bytes, std::size_t size) { return {bytes, size}; }

std::vector<Hostile> const endpoints = {
    {"silence", silence, Trouble::timeout, 0, "no answer in time", deadline},
    {"slow_headers", slow_headers, Trouble::timeout, 0, "not complete in time", deadline},
    {"unfinished_headers", ok + "Server: x\r\n", Trouble::timeout, 0, "not complete", deadline},
    {"slow_body", slow_body, none, 200, "slow body", deadline},
    {"unfinished_body", ok + "Content-Length: 10\r\n\r\nabc", none, 200, "slow body", deadline},
    {"body_without_length_that_never_ends", ok + "\r\nhello", none, 200, "slow body", deadline},
    {"body_without_length", ok + "\r\nhello", none, 200, "", {}, true},
    {"infinite_body", infinite_body, none, 200, "large body"},
    {"counted_gigabytes", counted_gigabytes, none, 200, "large body"},
    {"infinite_chunks", infinite_chunks, none, 200, "large body"},
    {"infinite_chunk_extension", infinite_chunk_extension, none, 200, "bad framing"},
    {"infinite_trailer", infinite_trailer, none, 200, "bad framing"},
    {"tiny_chunks", tiny_chunks, none, 200, "bad framing"},
    {"bad_chunks", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", none, 200, "bad framing"},
    {"giant_chunk", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", none, 200,
     "bad framing"},
    {"reset_before_any_byte", reset_at_once, Trouble::broken, 0, "before the answer's header"},
    {"end_before_any_byte", end_at_once, Trouble::broken, 0, "before the answer's header"},
    {"reset_in_headers", reset_in_headers, Trouble::broken, 0, "within the answer's header", 1s},
    {"ends_in_headers", ok + "Server: x\r\n", Trouble::broken, 0, "within the answer's", {}, true},
    {"reset_in_body", reset_in_body, none, 200, "bad framing: the connection broke", 1s},
    {"short_body", ok + "Content-Length: 10\r\n\r\nabc", none, 200, "bad framing", {}, true},
    {"two_lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", Trouble::protocol, 0,
     "Content-Length"},
    {"negative_length", ok + "Content-Length: -1\r\n\r\n", Trouble::protocol, 0, "Content-Length"},
    {"length_and_chunks", ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     none, 200, "odd headers: there are both"},
    {"equal_lengths", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", none, 200,
     "odd headers: there are two Content-Length"},
    {"equal_lengths_in_one_line", ok + "Content-Length: 2, 2\r\n\r\nok", none, 200, "odd headers"},
    {"two_lengths_in_one_line", ok + "Content-Length: 2, 3\r\n\r\nok", Trouble::protocol, 0,
     "differ"},
    {"two_lengths_and_chunks",
     ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
     Trouble::protocol, 0, "differ"},
    {"length_with_a_space_before_the_colon",
     ok + "Content-Length : 2\r\nContent-Length: 3\r\n\r\nok", Trouble::protocol, 0, "differ"},
    {"folded_length", ok + "Content-Length: 1\r\n 2\r\n\r\nok", Trouble::protocol, 0, "folded"},
    {"chunks_twice",
     ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
     none, 200, "odd headers: there are two Transfer-Encoding"},
    {"unknown_encoding",
     ok + "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
     none,
     200,
     "odd headers",
     {},
     true},
    {"second_status_inside", ok + "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
     Trouble::protocol, 0, "second status"},
    {"second_status_folded", ok + "X: y\r\n HTTP/1.1 500 Internal Server Error\r\n\r\n",
     Trouble::protocol, 0, "second status"},
    {"odd_failure", "HTTP/1.1 500 Odd\nContent-Length: 0\n\n", none, 500, "odd headers: a line"},
    {"odd_interim", "HTTP/1.1 103 Early Hints\nLink: x\n\n" + ok + "Content-Length: 0\r\n\r\n",
     none, 200, "odd headers: a line"},
    {"name_with_a_space", ok + "X Powered By: cgi\r\nContent-Length: 2\r\n\r\nok", none, 200,
     "odd headers: a header name"},
    {"line_without_a_colon", ok + "what is this\r\nContent-Length: 2\r\n\r\nok", none, 200,
     "odd headers: a header name"},
    {"name_empty", ok + ": x\r\nContent-Length: 2\r\n\r\nok", none, 200,
     "odd headers: a header name"},
    {"control_in_header", ok + "X: a\x01\r\nContent-Length: 2\r\n\r\nok", none, 200,
     "odd headers: a header value"},
    {"return_in_header", ok + "X: a\rHTTP/1.1 500 Odd\r\nContent-Length: 2\r\n\r\nok",
     Trouble::protocol, 0, "carriage return"},
    {"headers_of_100_KiB", ok + headers_of(100) + "Content-Length: 2\r\n\r\nok", none, 200,
     "odd headers: the headers are larger than 64 KiB"},
    {"header_of_200_KiB",
     ok + "X: " + std::string(200 * 1024, 'x') + "\r\n\r\nok",
     none,
     200,
     "odd headers: the headers are larger than 64 KiB",
     {},
     true},
    {"infinite_interims", infinite_interims, Trouble::protocol, 0, "16 interim"},
    {"slow_interims", slow_interims, Trouble::timeout, 0, "not complete in time", deadline},
    {"switching_protocols",
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
     Trouble::protocol, 0, "101"},
    {"infinite_headers", infinite_headers, Trouble::protocol, 0, "64 KiB"},
    {"infinite_header", infinite_header, Trouble::protocol, 0, "64 KiB"},
    {"junk", "hello, who is there?\r\n\r\n", Trouble::protocol, 0, "not HTTP/1.1"},
    {"http_0_9", "<html></html>\r\n\r\n", Trouble::protocol, 0, "not HTTP/1.1", {}, true},
    {"http_2_on_1", "HTTP/2.0 200 OK\r\n\r\n", Trouble::protocol, 0, "not HTTP/1.1"},
    {"bare_line_feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", none, 200, "CRLF"},
    {"mixed_line_ends", ok + "Content-Length: 2\n\r\nok", none, 200, "CRLF"},
    {"folded_header", ok + "X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", none, 200, "folded"},
    {"odd_without_an_end",
     "HTTP/1.1 200 OK\nContent-Length: 0\n",
     Trouble::broken,
     0,
     "within the answer's",
     {},
     true},
    {"NUL_in_header", ok + text("X: a\0b\r\n\r\n", 10), Trouble::protocol, 0, "control"},
    {"status_099", "HTTP/1.1 099 Odd\r\n\r\n", Trouble::protocol, 0, "three digits"},
    {"status_0", "HTTP/1.1 0 Odd\r\n\r\n", Trouble::protocol, 0, "three digits"},
    {"status_999", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", none, 999,
     ""},
    {"no_content_with_body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", none, 204,
     "behind"},
    {"no_content_with_body_to_come", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", none,
     204, ""},
    {"smuggled_answer",
     ok + "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", none, 200,
     "behind"},
};

// GoogleTest wants letters, digits and underscores only.
std::string name_of(::testing::TestParamInfo<std::tuple<Hostile, bool>> const& info) {
  return std::string(std::get<0>(info.param).name) +
         (std::get<1>(info.param) ? "_over_tls" : "_in_plain");
}

INSTANTIATE_TEST_SUITE_P(Endpoints, HostileTest,
                         ::testing::Combine(::testing::ValuesIn(endpoints), ::testing::Bool()),
                         name_of);

// ---- What does not fit the table

class BothWaysTest : public HostileFixture, public ::testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(Http, BothWaysTest, ::testing::Bool(),
                         [](auto const& info) { return info.param ? "over_tls" : "in_plain"; });

struct Recorded {
  std::vector<std::string> requests;
  std::string answer;
};
// Answers each request alike, and keeps them.
io::Task<void> record(Peer& peer, Recorded& into) {
  for (;;) {
    auto request = co_await peer.wire.read_message();
    if (request.empty()) co_return;
    into.requests.push_back(std::move(request));
    if (!co_await peer.wire.send(into.answer)) co_return;
  }
}

TEST_P(BothWaysTest, encoded_bodies_are_neither_asked_for_nor_decoded) {
  Recorded recorded;
  std::string const bomb(50, '\x1f');
  recorded.answer = ok + "Content-Encoding: gzip, gzip, br\r\nContent-Length: 50\r\n\r\n" + bomb;
  listen([&](Peer& peer) { return record(peer, recorded); }, GetParam());

  auto const answer = ask(hook());

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, bomb);
  EXPECT_THAT(recorded.requests.at(0), Not(HasSubstr("Accept-Encoding")));
}

TEST_P(BothWaysTest, redirects_are_answers_and_not_followed) {
  for (auto const* const status : {"301", "302", "303", "307", "308"}) {
    Recorded recorded;
    recorded.answer = "HTTP/1.1 " + std::string(status) +
                      " Elsewhere\r\nLocation: http://10.1.2.4:80/latest/meta-data/\r\n"
                      "Refresh: 0; url=http://10.1.2.4/\r\nContent-Length: 0\r\n\r\n";
    listen([&](Peer& peer) { return record(peer, recorded); }, GetParam());
    ScriptedEndpoint internal(sim, network, {boost::asio::ip::make_address("10.1.2.4"), 80},
                              [&](Peer& peer) { return record(peer, recorded); });

    auto const answer = ask(hook());

    EXPECT_EQ(answer.status, std::stoi(status));
    EXPECT_EQ(find_header(answer.headers, "Location"), "http://10.1.2.4:80/latest/meta-data/");
    EXPECT_EQ(internal.connections(), 0U);
    EXPECT_EQ(recorded.requests.size(), 1U);
    begin({});
  }
}

TEST_P(BothWaysTest, nothing_is_remembered_of_cookies_and_challenges) {
  Recorded recorded;
  recorded.answer =
      "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: id=1; Path=/\r\nStrict-Transport-Security: "
      "max-age=31536000\r\nAlt-Svc: h2=\"10.1.2.4:443\"\r\nWWW-Authenticate: NTLM\r\n"
      "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
  listen([&](Peer& peer) { return record(peer, recorded); }, GetParam());

  EXPECT_EQ(ask(hook()).status, 401);
  EXPECT_EQ(ask(hook()).status, 401);

  ASSERT_EQ(recorded.requests.size(), 2U);
  EXPECT_EQ(recorded.requests[0], recorded.requests[1]);
  EXPECT_EQ(network.connects(), 1U);
}

TEST_P(BothWaysTest, an_endpoint_that_waits_to_be_asked_for_100_continue_waits_in_vain) {
  Recorded recorded;
  recorded.answer = ok + "Content-Length: 0\r\n\r\n";
  listen([&](Peer& peer) { return record(peer, recorded); }, GetParam());
  std::string const body(50'000, 'x');

  auto const [answer, took, bytes, came] = exchange(hook(body));

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(took, Duration::zero());
  EXPECT_THAT(recorded.requests.at(0), AllOf(Not(HasSubstr("Expect")), HasSubstr(body)));
}

TEST_P(BothWaysTest, an_endpoint_that_does_not_read_ends_at_the_deadline) {
  listen(never_read, GetParam());
  std::string const body(1'000'000, 'x');

  auto const [answer, took, bytes, came] = exchange(hook(body));

  EXPECT_EQ(answer.trouble, Trouble::timeout);
  EXPECT_LE(took, deadline);
  EXPECT_LE(bytes, 4U * 1024 * 1024);  // the request is held twice, and is on its way
  EXPECT_EQ(client->open_connections(), 0U);
}

io::Task<void> encode_unknown(Peer& peer) {
  co_await after_request(peer,
                         ok + "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok and more");
  peer.wire.close();
}

// Neither the length nor a guess at chunks says where it ends.
TEST_P(BothWaysTest, a_body_in_an_unknown_encoding_goes_to_the_end_of_its_connection) {
  listen(encode_unknown, GetParam());

  auto const answer = ask(hook());

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok and more");
  EXPECT_THAT(answer.reason, Not(HasSubstr("bad framing")));
}

io::Task<void> answer_early(Peer& peer) {
  co_await peer.wire.read_until("\r\n\r\n");
  co_await peer.wire.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  co_await peer.clock.sleep_for(1h);
}

TEST_P(BothWaysTest, an_answer_before_the_request_was_read_counts_and_ends_the_connection) {
  listen(answer_early, GetParam());
  std::string const body(1'000'000, 'x');

  auto const [answer, took, bytes, came] = exchange(hook(body));

  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(took, Duration::zero());
  EXPECT_EQ(client->open_connections(), 0U);
}

// Kept by the first exchange, broken when the second is sent; a third is not begun, however the second one ends.
io::Task<void> break_the_second(Peer& peer) {
  if (peer.number == 1) {
    co_await after_request(peer, ok + "Content-Length: 0\r\n\r\n");
    co_await peer.wire.read_message();
  } else {
    co_await peer.wire.read_message();
  }
  reset(peer);
}

TEST_P(BothWaysTest, a_kept_connection_that_breaks_before_any_byte_is_replaced_once) {
  listen(break_the_second, GetParam());
  EXPECT_EQ(ask(hook()).status, 200);

  auto const answer = ask(hook());

  EXPECT_EQ(answer.trouble, Trouble::broken);
  EXPECT_TRUE(answer.resent);
  EXPECT_EQ(endpoint->connections(), 2U);
}

io::Task<void> answer_at(Peer& peer, Duration when) {
  co_await peer.wire.read_message();
  co_await peer.clock.sleep_for(when);
  co_await peer.wire.send(ok + "Content-Length: 0\r\n\r\n");
}

TEST_P(BothWaysTest, an_answer_counts_until_the_deadline_and_not_after) {
  for (auto const& [when, trouble] :
       {std::pair{14'900ms, Trouble::none}, std::pair{15'100ms, Trouble::timeout}}) {
    listen([when](Peer& peer) { return answer_at(peer, when); }, GetParam());
    EXPECT_EQ(ask(hook()).trouble, trouble);
    begin({});
  }
}

}  // namespace
}  // namespace millrace::http::client
