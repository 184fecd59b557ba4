// Endpoints whose TLS is bad, or meant to hurt. docs/hostile.md has the list.
#include "http_client/hostile_fixture.h"

namespace millrace::http::client {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

io::Task<void> answer(Peer& peer) {
  for (;;) {
    if ((co_await peer.wire.read_message()).empty()) co_return;
    if (!co_await peer.wire.send(ok)) co_return;
  }
}
io::Task<void> stay_silent(Peer& peer) { co_await peer.clock.sleep_for(1h); }

// ---- Servers whose handshake must fail

testing::LeafRequest const good = {.addresses = {"10.1.2.3"}};

testing::Certificate leaf(testing::LeafRequest request) {
  request.addresses = good.addresses;
  return test_authority().leaf(request);
}
void only(SSL_CTX* context, int version) {
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
}
void wants_certificate(SSL_CTX* context, int version) {
  only(context, version);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

using MakeServer = std::shared_ptr<TlsServer const> (*)();

struct Untrusted {
  char const* name;
  MakeServer server;
  char const* reason;
  Trouble trouble = Trouble::tls;
};
std::ostream& operator<<(std::ostream& out, Untrusted const& one) { return out << one.name; }

class UntrustedTest : public HostileFixture, public ::testing::WithParamInterface<Untrusted> {};

TEST_P(UntrustedTest, is_refused_in_words_and_bounded) {
  listen_tls(answer, GetParam().server());

  auto const [answer, took, bytes, came] = exchange(hook());

  EXPECT_EQ(answer.trouble, GetParam().trouble);
  EXPECT_THAT(answer.reason, HasSubstr(GetParam().reason));
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(took, Duration::zero());
  EXPECT_LE(bytes, 2U * 1024 * 1024);
  EXPECT_EQ(client->open_connections(), 0U);
  exchange(hook());
  EXPECT_EQ(endpoint->connections(), 2U);
}

std::vector<Untrusted> const servers = {
    {"expired", [] { return serving(leaf({.valid_from = -48h, .valid_to = -2h})); },
     "10.1.2.3:4433: certificate expired on 20"},
    {"not_yet_valid", [] { return serving(leaf({.valid_from = 2h})); },
     "certificate is not valid before 20", Trouble::own_side},  // by our clock, which may be wrong
    {"wrong_host",
     [] { return serving(test_authority().leaf({.names = {"a.example", "b.example"}})); },
     "certificate is for a.example, b.example, not 10.1.2.3"},
    {"wrong_address", [] { return serving(test_authority().leaf({.addresses = {"10.1.2.4"}})); },
     "certificate is for 10.1.2.4, not 10.1.2.3"},
    {"self_signed", [] { return serving(testing::self_signed(good)); },
     "certificate is signed by itself: CN=10.1.2.3"},
    {"unknown_authority",
     [] { return serving(testing::CertificateAuthority("Stranger").leaf(good)); },
     "certificate is issued by an unknown authority: CN=Stranger"},
    {"sha1", [] { return serving(leaf({.digest = "SHA1"})); },
     "certificate of CN=10.1.2.3 is signed in a way that is broken: ecdsa-with-SHA1"},
    {"tls_1_0",
     [] { return serving(leaf({}), [](SSL_CTX* context) { only(context, TLS1_VERSION); }); },
     "10.1.2.3:4433: the server offers no TLS 1.2 or later"},
    {"tls_1_1",
     [] { return serving(leaf({}), [](SSL_CTX* context) { only(context, TLS1_1_VERSION); }); },
     "the server offers no TLS 1.2 or later"},
    {"no_common_cipher",
     [] {
       return serving(leaf({}), [](SSL_CTX* context) {
         only(context, TLS1_2_VERSION);
         SSL_CTX_set_cipher_list(context, "NULL-SHA256:ECDHE-ECDSA-NULL-SHA");
       });
     },
     "the server refused our handshake: it accepts none of our ciphers"},
    {"wants_a_client_certificate_1_2",
     [] {
       return serving(leaf({}),
                      [](SSL_CTX* context) { wants_certificate(context, TLS1_2_VERSION); });
     },
     "the server refused our handshake: it wants a client certificate"},
    {"wants_a_client_certificate_1_3",
     [] {
       return serving(leaf({}),
                      [](SSL_CTX* context) { wants_certificate(context, TLS1_3_VERSION); });
     },
     "the server refused our handshake: it wants a client certificate"},
    {"chain_of_100", [] { return serving(leaf({.below = 100})); },
     "certificate has more than 10 authorities"},
    {"chain_of_400", [] { return serving(leaf({.below = 400})); },
     "a message of the server is too large"},
};

INSTANTIATE_TEST_SUITE_P(Servers, UntrustedTest, ::testing::ValuesIn(servers),
                         [](auto const& info) { return std::string(info.param.name); });

// ---- What comes instead of a handshake

io::Task<void> speak_plain(Peer& peer) {
  co_await peer.wire.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}
io::Task<void> close_at_once(Peer& peer) {
  co_await peer.wire.read_count(1);
  peer.wire.close();
}
io::Task<void> reset_at_once(Peer& peer) {
  co_await peer.wire.read_count(1);
  peer.network.cut(boost::asio::ip::make_address("10.1.2.3"));
}
io::Task<void> send_for_ever(Peer& peer, std::string text) {
  co_await peer.wire.read_count(1);
  while (co_await peer.wire.send(text)) {
  }
}
std::string records(char type, std::string const& content) {
  std::string one{type, 3, 3, 0, static_cast<char>(content.size())};
  one += content;
  std::string many;
  while (many.size() < 8000) many += one;
  return many;
}
// The client must pass over a HelloRequest within the handshake, however many there are.
io::Task<void> hello_requests(Peer& peer) {
  return send_for_ever(peer, records(22, std::string(4, '\0')));
}
io::Task<void> warnings(Peer& peer) { return send_for_ever(peer, records(21, {1, 90})); }
io::Task<void> empty_records(Peer& peer) { return send_for_ever(peer, records(22, "")); }
io::Task<void> endless_hello(Peer& peer) {
  return send_for_ever(peer, records(22, std::string("\x02\xff\xff\xff", 4)));
}

struct NoHandshake {
  char const* name;
  io::Task<void> (*script)(Peer&);
  Trouble trouble;
  char const* reason;
  Duration within = {};
};
std::ostream& operator<<(std::ostream& out, NoHandshake const& one) { return out << one.name; }

class NoHandshakeTest : public HostileFixture, public ::testing::WithParamInterface<NoHandshake> {};

TEST_P(NoHandshakeTest, ends_in_its_time_and_bounded) {
  listen(GetParam().script, false);

  auto const [answer, took, bytes, came] = exchange(to("https://10.1.2.3:4433/hook"));

  EXPECT_EQ(answer.trouble, GetParam().trouble);
  EXPECT_EQ(answer.reached, Phase::tls);
  EXPECT_THAT(answer.reason, HasSubstr(GetParam().reason));
  EXPECT_LE(took, GetParam().within);
  EXPECT_LE(came, 512U * 1024);
  EXPECT_LE(bytes, 1024U * 1024);
  EXPECT_EQ(client->open_connections(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Endpoints, NoHandshakeTest,
    ::testing::Values(
        NoHandshake{"never_tls", stay_silent, Trouble::timeout, "no TLS handshake within 5.0 s",
                    5'100ms},
        NoHandshake{"plain_http", speak_plain, Trouble::tls,
                    "what answers there does not speak TLS"},
        NoHandshake{"closes", close_at_once, Trouble::tls, "the server closed the connection"},
        NoHandshake{"resets", reset_at_once, Trouble::tls, "TLS handshake: Connection reset"},
        NoHandshake{"hello_requests", hello_requests, Trouble::tls, "without end"},
        NoHandshake{"warnings", warnings, Trouble::tls, "TLS handshake: "},
        NoHandshake{"empty_records", empty_records, Trouble::tls, "TLS handshake: "},
        NoHandshake{"endless_hello", endless_hello, Trouble::tls, "too large"}),
    [](auto const& info) { return std::string(info.param.name); });

// ---- What comes behind a good handshake

// Has OpenSSL send messages of its own: for longer than anybody may take them. (It does not tell when nobody takes its tickets.)
template <class Begin>
io::Task<void> send_messages_for_ever(Peer& peer, Begin begin) {
  co_await peer.wire.read_message();
  for (int i = 0; i < 5000; ++i) {
    if (begin(peer.ssl) != 1) co_return;
    for (;;) {
      int const result = SSL_do_handshake(peer.ssl);
      if (result == 1) break;
      if (SSL_get_error(peer.ssl, result) != SSL_ERROR_WANT_WRITE) co_return;
      if (!co_await peer.wire.stream().writable()) co_return;
    }
  }
}
int update_key(SSL* ssl) { return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED); }
int send_ticket(SSL* ssl) { return SSL_new_session_ticket(ssl); }

class TlsFloodTest : public HostileFixture {
 protected:
  void expect_flood_ends(int (*begin)(SSL*)) {
    listen([begin](Peer& peer) { return send_messages_for_ever(peer, begin); }, true);

    auto const [answer, took, bytes, came] = exchange(hook());

    EXPECT_EQ(answer.trouble, Trouble::tls);
    EXPECT_EQ(answer.reason, "the server sends TLS messages without end");
    EXPECT_EQ(took, Duration::zero());
    EXPECT_LE(came, 256U * 1024);
    EXPECT_LE(bytes, 1024U * 1024);
    EXPECT_EQ(client->open_connections(), 0U);
  }
};

TEST_F(TlsFloodTest, of_key_updates_ends) { expect_flood_ends(update_key); }
TEST_F(TlsFloodTest, of_tickets_ends) { expect_flood_ends(send_ticket); }

io::Task<void> renegotiate(Peer& peer) {
  co_await peer.wire.read_message();
  SSL_renegotiate(peer.ssl);
  SSL_do_handshake(peer.ssl);
  co_await peer.wire.read_count(1);
}

TEST_F(TlsFloodTest, renegotiation_is_refused) {
  listen_tls(renegotiate,
             serving(leaf({}), [](SSL_CTX* context) { only(context, TLS1_2_VERSION); }));

  auto const [answer, took, bytes, came] = exchange(hook());

  EXPECT_THAT(answer.trouble, AnyOf(Trouble::tls, Trouble::broken)) << answer.reason;
  EXPECT_EQ(took, Duration::zero());
  EXPECT_LE(bytes, 1024U * 1024);
  EXPECT_EQ(client->open_connections(), 0U);
}

// A TLS record for each byte: odd, but no flood.
io::Task<void> byte_by_byte(Peer& peer) {
  co_await peer.wire.read_message();
  std::string const answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + std::string(30'000, 'x');
  for (char const c : answer)
    if (!co_await peer.wire.send(std::string(1, c))) co_return;
}

TEST_F(TlsFloodTest, an_answer_byte_by_byte_is_none) {
  listen(byte_by_byte, true);

  auto const answer = ask(hook());

  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(answer.body.size(), 30'000U);
}

// ---- Sessions

struct Resumptions {
  std::vector<bool> resumed;
};
io::Task<void> answer_and_close(Peer& peer, Resumptions& into) {
  into.resumed.push_back(SSL_session_reused(peer.ssl) == 1);
  co_await peer.wire.read_message();
  co_await peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
// Puts so many bytes of its own into each ticket.
template <int Bytes>
void pad_tickets(SSL_CTX* context) {
  SSL_CTX_set_session_ticket_cb(
      context,
      [](SSL* ssl, void*) {
        std::string const padding(Bytes, 'x');
        return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), padding.data(),
                                               padding.size());
      },
      [](SSL*, SSL_SESSION*, unsigned char const*, std::size_t, SSL_TICKET_STATUS status, void*) {
        return status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW
                   ? SSL_TICKET_RETURN_USE_RENEW
                   : SSL_TICKET_RETURN_IGNORE_RENEW;
      },
      nullptr);
}

class TicketTest : public HostileFixture {
 protected:
  // Of three connections, one behind the other.
  std::vector<bool> resumed_with(void (*tweak)(SSL_CTX*)) {
    Resumptions resumptions;
    listen_tls([&](Peer& peer) { return answer_and_close(peer, resumptions); },
               serving(leaf({}), tweak));
    for (int i = 0; i < 3; ++i) {
      auto const [answer, took, bytes, came] = exchange(hook());
      EXPECT_EQ(answer.status, 200) << answer.reason;
      EXPECT_LE(bytes, 1024U * 1024);
    }
    endpoint.reset();
    return resumptions.resumed;
  }
};

TEST_F(TicketTest, of_usual_size_are_used) {
  EXPECT_EQ(resumed_with(pad_tickets<100>), (std::vector{false, true, true}));
}

TEST_F(TicketTest, of_unusual_size_are_not_kept) {
  EXPECT_EQ(resumed_with(pad_tickets<12'000>), (std::vector{false, false, false}));
}

// ---- Many at once

struct Count {
  int hellos = 0;
};
io::Task<void> count_hello(Peer& peer, Count& count) {
  co_await peer.wire.read_count(1);
  ++count.hellos;
}

class ManyHandshakesTest : public HostileFixture {
 protected:
  ManyHandshakesTest() { begin({.http2 = false}); }
  std::vector<testing::Started<Answer>> start_many(std::string const& url) {
    std::vector<testing::Started<Answer>> many;
    for (int i = 0; i < 200; ++i) many.push_back(start(to(url)));
    return many;
  }
};

TEST_F(ManyHandshakesTest, two_hundred_handshakes_at_once_let_a_plain_exchange_pass) {
  Count count;
  listen([&](Peer& peer) { return count_hello(peer, count); }, false);
  ScriptedEndpoint plain(sim, network, {boost::asio::ip::make_address("10.1.2.4"), 80}, answer);
  auto const many = start_many("https://10.1.2.3:4433/");

  auto const beside = start(to("http://10.1.2.4/"));
  for (int i = 0; i < 100'000 && !beside.done(); ++i) {
    sim.context().restart();  // it stops whenever nobody waits for anything but time
    sim.context().poll_one();
  }
  ASSERT_TRUE(beside.done());
  auto const steps = count.hellos;
  sim.settle();
  EXPECT_EQ(count.hellos, 128);  // no more are opened at a time
  sim.advance(300ms);            // but who has been quiet for so long holds up nobody

  EXPECT_EQ(beside.value().status, 200);
  EXPECT_LE(steps, 20);
  EXPECT_EQ(count.hellos, 200);
}

TEST_F(ManyHandshakesTest, all_come_to_their_end) {
  listen(answer, true);
  auto const many = start_many("https://10.1.2.3:4433/");

  sim.settle();

  for (auto const& one : many) {
    ASSERT_TRUE(one.done());
    EXPECT_EQ(one.value().status, 200) << one.value().reason;
  }
}

}  // namespace
}  // namespace millrace::http::client
