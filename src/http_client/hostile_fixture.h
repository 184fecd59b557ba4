// What tests of hostile endpoints stand on: an endpoint that follows a script on each of its connections, plain or over TLS, in a
// network and a time that are simulated; the real Client; and what an exchange with it cost.
#pragma once
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <deque>
#include <functional>

#include "http/tls.h"
#include "http_client/client.h"
#include "testing/allocations.h"
#include "testing/certificates.h"
#include "testing/fake_network.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::client {

using namespace std::chrono_literals;

// The endpoint's end of a connection.
struct Peer {
  testing::Wire wire;
  io::Clock& clock;
  testing::FakeNetwork& network;
  SSL* ssl = nullptr;
  std::size_t number = 1;  // of the endpoint's connections
};
// Must end when a send fails. Behind it the connection stays open, and is read, until the client closes it.
using Script = std::function<io::Task<void>(Peer&)>;

// A certificate, served as `tweak` wants it.
inline std::shared_ptr<TlsServer const> serving(testing::Certificate const& leaf,
                                                std::function<void(SSL_CTX*)> const& tweak = {}) {
  SslContext context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_security_level(context.get(), 0);
  std::unique_ptr<BIO, decltype(&BIO_free)> const certificates(
      BIO_new_mem_buf(leaf.certificate_pem.data(), -1), &BIO_free);
  std::unique_ptr<BIO, decltype(&BIO_free)> const keys(BIO_new_mem_buf(leaf.key_pem.data(), -1),
                                                       &BIO_free);
  using X509Owner = std::unique_ptr<X509, decltype(&X509_free)>;
  auto const next = [&] {
    return X509Owner(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr), &X509_free);
  };
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key(
      PEM_read_bio_PrivateKey(keys.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  auto const first = next();
  check(SSL_CTX_use_certificate(context.get(), first.get()) == 1 &&
            SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1,
        "the certificate can be served");
  while (auto const link = next()) SSL_CTX_add1_chain_cert(context.get(), link.get());
  ERR_clear_error();
  if (tweak) tweak(context.get());
  return std::make_shared<TlsServer>(std::move(context));
}

class ScriptedEndpoint {
 public:
  ScriptedEndpoint(testing::Sim& sim, testing::FakeNetwork& network, io::Endpoint at, Script script,
                   std::shared_ptr<TlsServer const> tls = nullptr)
      : sim_(sim),
        network_(network),
        script_(std::move(script)),
        tls_(std::move(tls)),
        acceptor_(std::move(*network.listen(sim.executor(), at))),
        scope_(sim.executor()) {
    scope_.start(accept_all(*this));
  }
  ~ScriptedEndpoint() {
    acceptor_->close();
    scope_.cancel();
    sim_.settle();
  }
  ScriptedEndpoint(ScriptedEndpoint const&) = delete;
  ScriptedEndpoint& operator=(ScriptedEndpoint const&) = delete;
  std::size_t connections() const { return connections_; }

 private:
  static io::Task<void> accept_all(ScriptedEndpoint& self) {
    for (;;) {
      auto stream = co_await self.acceptor_->accept(self.sim_.executor());
      if (!stream) co_return;
      ++self.connections_;
      self.scope_.start(follow(self, std::move(*stream)));
    }
  }
  static io::Task<void> follow(ScriptedEndpoint& self, std::unique_ptr<io::ByteStream> stream) {
    auto const number = self.connections_;
    SSL* ssl = nullptr;
    if (self.tls_) {
      auto secured = tls_accepting(std::move(stream), *self.tls_);
      if (auto const done = co_await secured->handshake(); !done) co_return;
      ssl = secured->ssl();
      stream = std::move(secured);
    }
    Peer peer{testing::Wire(std::move(stream)), self.sim_.clock(), self.network_, ssl, number};
    co_await self.script_(peer);
    while (!(co_await peer.wire.read_count(4096)).empty()) {
    }
  }

  testing::Sim& sim_;
  testing::FakeNetwork& network_;
  Script script_;
  std::shared_ptr<TlsServer const> tls_;
  std::unique_ptr<io::Acceptor> acceptor_;
  io::TaskScope scope_;
  std::size_t connections_ = 0;
};

// What an exchange came to, and what it cost: simulated time, memory of both ends together, what the endpoint could send.
struct Measured {
  Answer answer;
  Duration took{};
  std::size_t bytes = 0;
  std::uint64_t came = 0;
};

inline testing::CertificateAuthority const& test_authority() {
  static testing::CertificateAuthority const authority;
  return authority;
}

// The endpoint is at 10.1.2.3, and so says its certificate.
class HostileFixture : public ::testing::Test {
 protected:
  HostileFixture() { begin({}); }
  void begin(ClientLimits limits, TlsSettings tls = {}) {
    tls.base = trust();
    client.reset();
    client = std::move(*make_client(sim.executor(), network, sim.clock(), guard, tls, limits));
  }
  // Made once: the system's trust store takes a while to read.
  static std::shared_ptr<TlsClient const> trust() {
    static auto const trusted =
        make_tls_client({.extra_ca = test_authority().certificate_pem()}).value();
    return trusted;
  }
  static std::shared_ptr<TlsServer const> good_tls() {
    static auto const tls = serving(test_authority().leaf({.addresses = {"10.1.2.3"}}));
    return tls;
  }
  void listen(Script script, bool tls) {
    listen_tls(std::move(script), tls ? good_tls() : nullptr);
  }
  void listen_tls(Script script, std::shared_ptr<TlsServer const> tls) {
    scheme = tls ? "https" : "http";
    endpoint.reset();
    endpoint = std::make_unique<ScriptedEndpoint>(sim, network, at, std::move(script), tls);
  }
  // The URL lives as long as the test.
  Ask to(std::string const& text, std::string_view body = "{}") {
    urls.push_back(parse_url(text).value());
    return {.url = &urls.back(), .head = "Content-Type: application/json\r\n", .body = body};
  }
  Ask hook(std::string_view body = "{}") { return to(scheme + "://10.1.2.3:4433/hook", body); }
  testing::Started<Answer> start(Ask ask) { return sim.start(client->ask(ask)); }
  Measured exchange(Ask ask) {
    auto const began = sim.clock().now();
    auto const held = testing::bytes_allocated();
    auto const came = network.bytes_back();
    testing::forget_most_bytes();
    auto const asking = start(ask);
    sim.settle();
    while (!asking.done() && sim.clock().now() - began < 30s) sim.advance(10ms);
    check(asking.done(), "an ask ends by its deadline");
    Measured measured{asking.value(), sim.clock().now() - began,
                      testing::most_bytes_allocated() - held, network.bytes_back() - came};
    sim.settle();
    return measured;
  }
  Answer ask(Ask wanted) { return exchange(wanted).answer; }

  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  Guard guard = *Guard::make({"10.0.0.0/8"});
  io::Endpoint at{boost::asio::ip::make_address("10.1.2.3"), 4433};
  std::string scheme = "http";
  std::deque<Url> urls;
  std::unique_ptr<ScriptedEndpoint> endpoint;
  std::unique_ptr<Client> client;
};

}  // namespace millrace::http::client
