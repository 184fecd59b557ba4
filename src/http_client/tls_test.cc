#include "http/tls.h"

#include "http_client/client_fixture.h"
#include "http_server/server.h"
#include "testing/certificates.h"

namespace millrace::http::client {
namespace {

using ::testing::HasSubstr;

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
  std::shared_ptr<TlsServer const> made_of(testing::Certificate const& leaf) const {
    auto const tls = make_tls_server(files.write("cert.pem", leaf.certificate_pem),
                                     files.write("key.pem", leaf.key_pem));
    check(tls.has_value(), "the certificate can be served");
    return *tls;
  }
  std::string serve_with(testing::Certificate const& leaf, server::ServerLimits limits = {}) {
    server = server::serve(testing::loopback_listener(sim.executor()), sim.executor(),
                           {sim.executor()}, yes, sim.clock(), std::move(limits), made_of(leaf));
    return ":" + std::to_string(server->local().port()) + "/";
  }
  Answer ask(std::string const& url, std::string_view body = "{}") {
    return await(start(to(url, body)));
  }

  testing::TemporaryFiles files;
  testing::CertificateAuthority authority;
  std::unique_ptr<server::Server> server;
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

TEST_F(TlsTest, a_renewed_certificate_is_shown_from_then_on) {
  auto const at = serve_with(authority.leaf({.addresses = {"127.0.0.1"}, .valid_to = -2h}));
  EXPECT_EQ(ask("https://127.0.0.1" + at).trouble, Trouble::tls);

  server->renew(made_of(authority.leaf({.addresses = {"127.0.0.1"}})));

  EXPECT_EQ(ask("https://127.0.0.1" + at).status, 200);
}

TEST_F(TlsTest, silent_handshakes_give_way_to_those_that_wait) {
  server::ServerLimits limits;
  limits.handshakes = 2;
  auto const at = serve_with(authority.leaf({.addresses = {"127.0.0.1"}}), limits);
  auto const one = sim.finish(testing::wire_to(server->local()));
  auto const two = sim.finish(testing::wire_to(server->local()));
  sim.run_until([this] { return server->connections() == 2; });

  auto const asking = start(to("https://127.0.0.1" + at));
  for (int i = 0; i < 5; ++i) sim.run_until([n = 0]() mutable { return ++n > 2; });
  EXPECT_FALSE(asking.done());
  EXPECT_EQ(server->connections(), 2U);
  for (int i = 0; i < 20 && !asking.done(); ++i) {
    sim.advance(100ms);
    for (int j = 0; j < 3; ++j) sim.run_until([n = 0]() mutable { return ++n > 2; });
  }

  EXPECT_EQ(await(asking).status, 200);
  EXPECT_EQ(server->refused().connections.at("slow_handshake"), 2U);
}

TEST_F(TlsTest, says_why_a_certificate_is_refused) {
  auto const refusal = [&](testing::Certificate const& leaf, Trouble trouble = Trouble::tls) {
    auto const answer = ask("https://127.0.0.1" + serve_with(leaf));
    EXPECT_EQ(answer.trouble, trouble);
    EXPECT_EQ(answer.reached, Phase::tls);
    return answer.reason;
  };
  EXPECT_THAT(
      refusal(authority.leaf({.addresses = {"127.0.0.1"}, .valid_from = -48h, .valid_to = -2h})),
      HasSubstr("certificate expired on 20"));
  EXPECT_THAT(
      refusal(authority.leaf({.addresses = {"127.0.0.1"}, .valid_from = 2h}), Trouble::own_side),
      HasSubstr("not valid before 20"));
  EXPECT_THAT(refusal(authority.leaf({.names = {"a.example", "b.example"}})),
              HasSubstr("certificate is for a.example, b.example, not 127.0.0.1"));
  testing::CertificateAuthority const stranger("Stranger");
  EXPECT_THAT(refusal(stranger.leaf({.addresses = {"127.0.0.1"}})),
              HasSubstr("issued by an unknown authority: CN=Stranger"));
  EXPECT_THAT(refusal(testing::self_signed({.addresses = {"127.0.0.1"}})),
              HasSubstr("signed by itself: CN=127.0.0.1"));
}

TEST_F(TlsTest, a_certificate_that_is_not_valid_yet_is_charged_when_that_of_another_host_is_good) {
  testing::LeafRequest request{.names = {"localhost"}, .addresses = {"127.0.0.1"}};
  auto const good = authority.leaf(request);
  request.valid_from = 2h;
  auto const early = authority.leaf(request);

  EXPECT_EQ(ask("https://127.0.0.1" + serve_with(early)).trouble, Trouble::own_side)
      << "our clock may be behind";
  EXPECT_EQ(ask("https://localhost" + serve_with(good)).status, 200);
  EXPECT_EQ(ask("https://127.0.0.1" + serve_with(early)).trouble, Trouble::tls);
  EXPECT_EQ(ask("https://localhost" + serve_with(early)).trouble, Trouble::own_side)
      << "its own was good before";
  sim.advance(2h);
  EXPECT_EQ(ask("https://127.0.0.1" + serve_with(early)).trouble, Trouble::own_side)
      << "a clock may be set meanwhile";
}

// For as long as it lives, OpenSSL finds no authority of the system.
struct NoTrust {
  explicit NoTrust(std::string const& empty_folder) {
    ::setenv("SSL_CERT_DIR", empty_folder.c_str(), 1);
    ::setenv("SSL_CERT_FILE", (empty_folder + "/none.pem").c_str(), 1);
  }
  ~NoTrust() {
    ::unsetenv("SSL_CERT_DIR");
    ::unsetenv("SSL_CERT_FILE");
  }
  NoTrust(NoTrust const&) = delete;
  NoTrust& operator=(NoTrust const&) = delete;
};

TEST_F(TlsTest, an_empty_trust_store_is_trouble_of_our_own) {
  testing::TemporaryFiles const empty;
  NoTrust const nobody(empty.folder());
  auto const leaf = authority.leaf({.addresses = {"127.0.0.1"}});
  begin({}, {});

  auto const answer = ask("https://127.0.0.1" + serve_with(leaf));

  EXPECT_EQ(answer.trouble, Trouble::own_side);
  EXPECT_THAT(answer.reason, HasSubstr("this machine trusts no authority at all"));
  testing::CertificateAuthority const stranger("Stranger");
  begin({}, {.extra_ca = stranger.certificate_pem()});
  EXPECT_EQ(ask("https://127.0.0.1" + serve_with(leaf)).trouble, Trouble::tls);
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
}  // namespace millrace::http::client
