// A Client and a host that speaks HTTP/2 by hand, over a network in memory, in simulated time.
#pragma once
#include <gmock/gmock.h>

#include <deque>

#include "http_client/client.h"
#include "testing/certificates.h"
#include "testing/fake_network.h"
#include "testing/http2_wire.h"
#include "testing/sim.h"

namespace millrace::http::client {

class Http2Test : public ::testing::Test {
 protected:
  struct Asked {
    Answer answer;
    Duration took{};
  };
  using Asking = testing::Started<Asked>;

  // HTTP/2 is offered from the first ask on, unless told otherwise.
  Http2Test() { begin(with_http2_from(1)); }
  static ClientLimits with_http2_from(std::size_t asks) {
    ClientLimits limits;
    limits.http2_from = asks;
    return limits;
  }
  void begin(ClientLimits limits) {
    client.reset();
    TlsSettings tls;
    tls.extra_ca = authority.certificate_pem();
    client = std::move(*make_client(sim.executor(), network, sim.clock(), guard, tls, limits));
  }
  Asking ask(std::string body = "{}", std::string_view method = "POST") {
    return ask_of(host, std::move(body), method);
  }
  Asking ask_of(testing::Http2Host const& whom, std::string body,
                std::string_view method = "POST") {
    asks.push_back({parse_url(whom.url()).value(), std::move(body)});
    return sim.start(timed(*client, sim.clock(), asks.back(), method));
  }
  // Time passes only if it must.
  Asked finished(Asking const& asking) {
    sim.settle();
    for (int seconds = 0; seconds < 16 && !asking.done(); ++seconds)
      sim.advance(std::chrono::seconds(1));
    return asking.value();
  }
  Asked finished_ask(std::string body = "{}") { return finished(ask(std::move(body))); }

  testing::CertificateAuthority authority;
  Guard guard = *Guard::make({"127.0.0.0/8"});
  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  testing::Http2Host host{sim, network, authority};
  std::deque<std::pair<Url, std::string>> asks;  // what they need
  std::unique_ptr<Client> client;

 private:
  static io::Task<Asked> timed(Client& client, io::Clock& clock,
                               std::pair<Url, std::string> const& what, std::string_view method) {
    auto const began = clock.now();
    Ask ask;
    ask.url = &what.first;
    ask.method = method;
    ask.head = "Content-Type: application/json\r\n";
    ask.body = what.second;
    auto answer = co_await client.ask(ask);
    co_return Asked{std::move(answer), clock.now() - began};
  }
};

// Answers each request with 200 and its own body, or the first 16 KiB of it.
inline void answer_well(testing::Http2Host& host) {
  host.on_connection = nullptr;
  host.on_head = nullptr;
  host.on_request = [](auto& peer, auto& request) {
    peer.say(testing::h2::headers(request.id, testing::h2::status("200")) +
             testing::h2::data(request.id, request.body.substr(0, 16 * 1024), true));
  };
}

}  // namespace millrace::http::client
