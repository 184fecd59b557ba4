// What tests of the Client stand on: a peer that the test speaks for by hand, over loopback, while time is simulated.
#pragma once
#include <gmock/gmock.h>

#include <deque>

#include "http_client/client.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::client {

using namespace std::chrono_literals;

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
  testing::Wire next() {
    sim_.run_until([&] { return !wires_.empty(); });
    auto wire = std::move(wires_.front());
    wires_.pop_front();
    return wire;
  }
  bool is_untouched() const { return wires_.empty(); }

 private:
  static io::Task<void> accept_all(io::Acceptor& acceptor, io::Executor loop,
                                   std::deque<testing::Wire>& wires) {
    for (;;) {
      auto stream = co_await acceptor.accept(loop);
      if (!stream) co_return;
      wires.emplace_back(std::move(*stream));
    }
  }
  testing::Sim& sim_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::deque<testing::Wire> wires_;
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

inline std::string repeated(std::string const& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

inline std::string const ok = "HTTP/1.1 200 OK\r\n";

}  // namespace millrace::http::client
