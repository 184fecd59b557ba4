// The webhook over the real client, against a real server on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_server/server.h"
#include "testing/sim.h"
#include "transports/https.h"

namespace millrace::transports {
namespace {

using namespace std::chrono_literals;

class LoopbackTest : public ::testing::Test {
 protected:
  LoopbackTest() {
    auto acceptor = network.listen(sim.executor(), *io::parse_endpoint("127.0.0.1:0"));
    check(acceptor.has_value(), "loopback listens");
    server = http::server::serve(
        std::move(*acceptor), sim.executor(), {sim.executor()},
        [this](http::ServerRequest request) { return answer(std::move(request)); }, clock);
    auto made = http::client::make_client(sim.executor(), network, clock, guard, {});
    check(made.has_value(), "a client is made");
    client = std::move(*made);
    stream.delivery.url = "http://127.0.0.1:" + std::to_string(server->local().port()) + "/hook";
    stream.headers = {{"Authorization", "Bearer tok-12345"}};
    auto rendered = std::make_shared<delivery::Rendered>();
    rendered->body = R"({"metadata":{},"body":{}})";
    rendered->content_type = "application/json";
    entry.event_type = "grade_change";
    entry.rendered = rendered;
  }
  ~LoopbackTest() override {
    client = nullptr;
    sim.finish(server->drain(clock.now()));
  }

  io::Task<http::ServerResponse> answer(http::ServerRequest request) {
    seen = std::move(request);
    co_return http::ServerResponse{.status = status,
                                   .headers = {{"Set-Cookie", "a=b"}, {"Retry-After", "7"}},
                                   .body = "echo: tok-12345 \x1b[1m"};
  }
  delivery::Outcome send() {
    auto const transport = make_transports(*client, clock)->make(stream);
    return sim.finish(transport->send({entry})).at(0);
  }

  testing::Sim sim;  // its loop only: the clock is real
  io::SystemClock clock;
  io::SystemNetwork network;
  http::Guard guard = *http::Guard::make({"127.0.0.0/8"});
  std::unique_ptr<http::server::Server> server;
  std::unique_ptr<http::client::Client> client;
  model::DataStream stream;
  delivery::Entry entry;
  http::ServerRequest seen;
  int status = 200;
};

TEST_F(LoopbackTest, an_event_arrives_as_it_was_rendered) {
  auto const outcome = send();

  EXPECT_TRUE(outcome.delivered) << outcome.reason;
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/hook");
  EXPECT_EQ(seen.body, entry.rendered->body);
  EXPECT_EQ(seen.header("content-type"), "application/json");
  EXPECT_EQ(seen.header("user-agent"), "Millrace/0.1.0");
  EXPECT_EQ(seen.header("millrace-event-id"), entry.event.text());
  EXPECT_EQ(seen.header("millrace-attempt"), "1");
  EXPECT_EQ(seen.header("authorization"), "Bearer tok-12345");
  EXPECT_EQ(outcome.status, 200);
  EXPECT_THAT(outcome.address, ::testing::StartsWith("127.0.0.1:"));
  EXPECT_THAT(outcome.response_headers, ::testing::HasSubstr("Set-Cookie: [removed]\n"));
  EXPECT_EQ(outcome.response_body, "echo: [removed] \\u001b[1m");
  EXPECT_TRUE(send().reused);
}

TEST_F(LoopbackTest, a_refusal_is_told_with_its_status_and_wait) {
  status = 503;

  auto const outcome = send();

  EXPECT_FALSE(outcome.delivered);
  EXPECT_EQ(outcome.failure, model::FailureClass::http);
  EXPECT_EQ(outcome.status, 503);
  EXPECT_EQ(outcome.retry_after, 7s);
}

TEST_F(LoopbackTest, an_address_that_is_not_allowed_is_not_called) {
  guard = *http::Guard::make({});
  seen = {};

  auto const outcome = send();

  EXPECT_FALSE(outcome.delivered);
  EXPECT_EQ(outcome.failure, model::FailureClass::connect);
  EXPECT_TRUE(seen.method.empty());
}

}  // namespace
}  // namespace millrace::transports
