#include "receive/admission.h"

#include <gmock/gmock.h>

#include "testing/fake_network.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::receive {
namespace {

using namespace std::chrono_literals;
using ::testing::StartsWith;
using testing::Wire;

constexpr std::size_t large = 4 * 1024 * 1024;  // what a stranger announces
constexpr std::size_t delivery = 1400 * 1024;   // a signed event of 1 MiB

class ReceiverAdmissionTest : public ::testing::Test {
 protected:
  ReceiverAdmissionTest() {
    auto const limits = server_limits(*http::AddressRange::parse_all({"127.0.0.0/8"}));
    server = http::server::serve(
        std::move(*network.listen(sim.executor(), at)), sim.executor(), {sim.executor()},
        [](http::ServerRequest) -> io::Task<http::ServerResponse> {
          co_return http::ServerResponse{};
        },
        sim.clock(), limits, nullptr, admit_by_address(limits));
  }
  // From an address, as the proxy says.
  Wire begin(std::string const& from, std::size_t length) {
    Wire wire(std::move(*sim.run(network.connect(at))));
    push(wire, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + from +
                   "\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n");
    return wire;
  }
  // As much as the server takes now; says how much that is.
  std::size_t push(Wire& wire, std::string_view text) {
    auto left = std::as_bytes(std::span(text));
    for (int again = 0; !left.empty() && again < 3;) {
      auto const moved = wire.stream().try_write(left);
      if (moved.state == io::Moved::State::failed) break;
      again = moved.state == io::Moved::State::done ? 0 : again + 1;
      left = left.subspan(moved.bytes);
      sim.settle();
    }
    return text.size() - left.size();
  }
  std::vector<Wire> flood(int count, std::string const& from) {
    std::vector<Wire> wires;
    for (int i = 0; i < count; ++i) {
      wires.push_back(begin(from, large));
      push(wires.back(), std::string(large - 1, 'x'));
    }
    return wires;
  }

  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  io::Endpoint at{boost::asio::ip::address_v4::loopback(), 80};
  std::unique_ptr<http::server::Server> server;
};

TEST_F(ReceiverAdmissionTest, a_delivery_from_another_address_passes_through_a_flood) {
  auto const strangers = flood(40, "192.0.2.1");

  auto wire = begin("192.0.2.2", delivery);
  push(wire, std::string(delivery, 'd'));

  EXPECT_THAT(sim.run(wire.read_message()), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ReceiverAdmissionTest,
       a_delivery_from_the_same_address_passes_when_the_flood_has_stood_still) {
  auto const strangers = flood(40, "192.0.2.1");

  auto wire = begin("192.0.2.1", delivery);
  auto const sending = sim.start(wire.send(std::string(delivery, 'd')));
  auto const reading = sim.start(wire.read_message());
  sim.advance(14s);

  ASSERT_TRUE(reading.done());
  EXPECT_THAT(reading.value(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ReceiverAdmissionTest, a_flood_that_fills_the_whole_is_outwaited) {
  std::vector<std::vector<Wire>> strangers;
  for (int i = 0; i < 10; ++i) strangers.push_back(flood(16, "198.51.100." + std::to_string(i)));

  auto wire = begin("192.0.2.2", delivery);
  auto const sending = sim.start(wire.send(std::string(delivery, 'd')));
  auto const reading = sim.start(wire.read_message());
  sim.advance(14s);

  ASSERT_TRUE(reading.done());
  EXPECT_THAT(reading.value(), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace millrace::receive
