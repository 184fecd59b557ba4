// An endpoint that takes four connections and leaves all others unanswered. docs/hostile.md, 31.
#include "http_client/hostile_fixture.h"

namespace millrace::http::client {
namespace {

io::Task<void> answer_slowly(Peer& peer) {
  for (;;) {
    if ((co_await peer.wire.read_message()).empty()) co_return;
    co_await peer.clock.sleep_for(100ms);
    if (!co_await peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) co_return;
  }
}

class CrowdTest : public HostileFixture, public ::testing::WithParamInterface<bool> {
 protected:
  CrowdTest() {
    begin({.http2 = false});
    listen(answer_slowly, GetParam());
    network.at(at.address()).most = 4;
  }
  // Keeps `count` asks under way, each behind the last one of its own, for as long as the time goes.
  std::vector<Answer> ask_for(Duration span, int count) {
    std::vector<Answer> answers;
    std::vector<testing::Started<Answer>> asking;
    for (int i = 0; i < count; ++i) asking.push_back(start(hook()));
    auto const end = sim.clock().now() + std::chrono::duration_cast<SteadyTime::duration>(span);
    while (sim.clock().now() < end) {
      sim.advance(10ms);
      for (auto& one : asking)
        if (one.done()) {
          answers.push_back(one.value());
          one = start(hook());
        }
    }
    sim.advance(20s);
    for (auto const& one : asking) answers.push_back(one.value());
    return answers;
  }
};

INSTANTIATE_TEST_SUITE_P(Http, CrowdTest, ::testing::Bool(),
                         [](auto const& info) { return info.param ? "over_tls" : "in_plain"; });

TEST_P(CrowdTest, beyond_four_connections_asks_take_turns_and_say_so) {
  auto const answers = ask_for(5s, 8);

  int crowded = 0;
  for (auto const& answer : answers) {
    EXPECT_EQ(answer.status, 200) << answer.reason;
    crowded += answer.crowded ? 1 : 0;
  }
  EXPECT_GE(crowded, 4);
  EXPECT_EQ(network.connects(), 4U);
}

TEST_P(CrowdTest, the_limit_is_remembered_and_tried_again_later) {
  ask_for(5s, 8);
  auto const tried = network.operations();

  auto const soon = ask_for(1s, 4);
  for (auto const& answer : soon) EXPECT_FALSE(answer.crowded);
  network.at(at.address()).most = 100;
  sim.advance(61s);
  auto const late = ask_for(1s, 8);

  for (auto const& answer : late) EXPECT_FALSE(answer.crowded);
  EXPECT_GT(network.operations(), tried);
  EXPECT_GT(network.connects(), 8U);
}

}  // namespace
}  // namespace millrace::http::client
