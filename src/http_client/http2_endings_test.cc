// How connections of HTTP/2 end while asks are under way: what the peer has surely not processed goes again, within the same attempt.
#include "http_client/http2.h"
#include "http_client/http2_fixture.h"
#include "http_client/pool.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::HasSubstr;
using testing::Http2Peer;
using testing::Http2Request;

std::string const ok = status("200");

// A connection that has served, over which a long request is on its way that the peer does not read, and behind it others of which
// nothing has left.
class Http2EndingTest : public Http2Test {
 protected:
  static constexpr std::size_t queued = 20;

  void fill() {
    answer_well(host);
    ASSERT_EQ(finished_ask().answer.status, 200);
    old().reads = false;
    old().say(window_update(0, 1 << 30) + testing::h2::settings({{initial_window_size, 1 << 30},
                                                                 {max_concurrent_streams, 100}}));
    sim.settle();
    first = ask(std::string(1'000'000, 'x'));
    sim.settle();
    for (std::size_t i = 0; i < queued; ++i) others.push_back(ask(std::to_string(i)));
    sim.settle();
  }
  // Connections that take one stream at a time, and have answered one.
  void open_served(std::size_t count) {
    answer_well(host);
    auto const good = host.on_request;
    host.on_connection = [](Http2Peer& peer) {
      peer.say(testing::h2::settings({{max_concurrent_streams, 1}}));
    };
    host.on_request = nullptr;
    std::vector<Asking> asking;
    for (std::size_t i = 0; i < count; ++i) {
      asking.push_back(ask());
      sim.settle();
    }
    ASSERT_EQ(host.peers.size(), count);
    for (auto* const peer : host.peers) good(*peer, peer->requests.at(1));
    for (auto const& one : asking) ASSERT_EQ(finished(one).answer.status, 200);
  }
  // All of it comes to the client at once.
  void end_with(std::string const& bytes) {
    old().say(bytes);
    old().close_when_said();
  }
  void expect_others_answered() {
    for (std::size_t i = 0; i < queued; ++i) {
      auto const [answer, took] = finished(others[i]);
      EXPECT_EQ(answer.trouble, Trouble::none) << answer.reason;
      EXPECT_EQ(answer.body, std::to_string(i));
      EXPECT_FALSE(answer.resent) << "nothing of it had left";
      EXPECT_EQ(took, 0s);
    }
    EXPECT_TRUE(old().is_over());
  }
  Http2Peer& old() { return *host.peers.at(0); }

  static constexpr std::uint32_t of_first = 3;  // its stream
  std::optional<Asking> first;
  std::vector<Asking> others;
};

TEST_F(Http2EndingTest,
       asks_of_which_nothing_was_sent_go_again_behind_an_answer_a_GOAWAY_and_the_end) {
  fill();

  end_with(headers(of_first, ok, true) + goaway(of_first, no_error));

  EXPECT_EQ(finished(*first).answer.status, 200);
  expect_others_answered();
}

TEST_F(Http2EndingTest, asks_of_which_nothing_was_sent_go_again_whatever_a_GOAWAY_counts) {
  fill();

  end_with(headers(of_first, ok, true) + goaway(0x7fffffff, no_error));

  EXPECT_EQ(finished(*first).answer.status, 200);
  expect_others_answered();
}

TEST_F(Http2EndingTest, asks_of_which_nothing_was_sent_go_again_behind_an_end_without_a_GOAWAY) {
  fill();

  end_with(headers(of_first, ok, true));

  EXPECT_EQ(finished(*first).answer.status, 200);
  expect_others_answered();
}

TEST_F(Http2EndingTest, asks_of_which_nothing_was_sent_go_again_though_what_came_is_no_HTTP_2) {
  fill();

  end_with(headers(of_first, ok, true) + headers(2, ok, true));

  EXPECT_EQ(finished(*first).answer.status, 200);
  expect_others_answered();
}

TEST_F(Http2EndingTest, the_ask_that_was_half_sent_is_judged_by_what_came) {
  fill();

  end_with(goaway(of_first, internal_error, "overheated"));

  auto const answer = finished(*first).answer;
  EXPECT_EQ(answer.trouble, Trouble::broken);
  EXPECT_THAT(answer.reason, HasSubstr("INTERNAL_ERROR: overheated"));
  EXPECT_FALSE(answer.resent);
  expect_others_answered();
}

TEST_F(Http2EndingTest, the_ask_that_was_half_sent_goes_again_when_a_GOAWAY_does_not_count_it) {
  fill();

  end_with(goaway(1, no_error));

  auto const answer = finished(*first).answer;
  EXPECT_EQ(answer.trouble, Trouble::none) << answer.reason;
  EXPECT_TRUE(answer.resent);
  expect_others_answered();
}

// As servers do that close each connection behind its so-manieth request.
TEST_F(Http2EndingTest, no_ask_is_lost_to_connections_that_end_after_ten_answers) {
  answer_well(host);
  auto const good = host.on_request;
  std::map<Http2Peer*, int> answered;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (++answered[&peer] > 10) return;  // sent, and not looked at
    good(peer, request);
    if (answered[&peer] < 10) return;
    peer.say(goaway(request.id, no_error));
    peer.close_when_said();
  };
  std::vector<Asking> asking;

  for (int i = 0; i < 500; ++i) asking.push_back(ask(std::to_string(i)));

  for (std::size_t i = 0; i < asking.size(); ++i) {
    auto const [answer, took] = finished(asking[i]);
    EXPECT_EQ(answer.body, std::to_string(i)) << answer.reason;
    EXPECT_EQ(took, 0s);
  }
  // Graceful ends are nothing against HTTP/2.
  host.on_request = good;
  EXPECT_TRUE(finished_ask().answer.http2);
}

TEST_F(Http2EndingTest, an_ask_that_meets_one_ending_connection_after_another_goes_over_HTTP_1) {
  open_served(12);
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    peer.say(goaway(request.id - 2, no_error));
    peer.close_when_said();
  };

  auto const [answer, took] = finished_ask("unlucky");

  EXPECT_EQ(answer.body, "unlucky") << answer.reason;
  EXPECT_TRUE(answer.resent);
  EXPECT_FALSE(answer.http2);
  EXPECT_EQ(took, 0s);
  EXPECT_EQ(host.requests(), 12U + 8U);
}

// An ask that was moved once has not used up what a kept connection that was closed while it rested is forgiven.
TEST_F(Http2EndingTest, an_ask_that_was_moved_is_still_sent_again_behind_a_silent_end) {
  open_served(2);
  host.peers[1]->credits = false;  // it says nothing at all
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (&peer == host.peers[0]) peer.say(goaway(request.id - 2, no_error));
    peer.close_when_said();
  };

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x") << answer.reason;
  EXPECT_TRUE(answer.resent);
  EXPECT_EQ(took, 0s);
}

// A connection whose peer takes nothing more from some moment on, while what it said last waits unread.
class Deaf final : public io::ByteStream {
 public:
  explicit Deaf(io::Executor const& loop) : woken(loop) {}
  io::Moved try_read(std::span<std::byte> out) override {
    if (waiting.empty()) return {takes ? io::Moved::State::again : io::Moved::State::ended};
    auto const n = std::min(out.size(), waiting.size());
    std::ranges::copy(std::as_bytes(std::span(waiting)).first(n), out.begin());
    waiting.erase(0, n);
    return {io::Moved::State::done, n};
  }
  io::Moved try_write(std::span<std::byte const> bytes) override {
    return takes ? io::Moved{io::Moved::State::done, bytes.size()}
                 : io::Moved{io::Moved::State::failed, 0, EPIPE};
  }
  io::Task<Result<void>> readable() override {
    co_await woken.wait();
    co_return Result<void>();
  }
  io::Task<Result<void>> writable() override { co_return Result<void>(); }
  void close() override { woken.notify(); }
  int descriptor() const override { return -1; }
  io::Endpoint peer() const override { return {}; }
  void say(std::string_view bytes) {
    waiting += bytes;
    woken.notify();
  }

  std::string waiting;
  bool takes = true;
  io::Signal woken;
};

TEST(Http2DeafPeerTest, what_it_said_last_is_read_before_a_write_that_fails_ends_the_connection) {
  testing::Sim sim;
  io::TaskScope tasks(sim.executor());
  std::array<std::byte, 4096> scratch;
  Watch ring;
  Watch watch(ring, sim.clock().now() + 15s);
  auto const url = parse_url("https://192.0.2.1/").value();
  Ask const ask{.url = &url, .body = "{}"};
  auto connection = std::make_shared<PooledConnection>();
  auto stream = std::make_unique<Deaf>(sim.executor());
  auto& deaf = *stream;
  connection->stream = std::move(stream);
  auto const http2 = std::make_shared<Http2>(
      connection, Http2::Needs{sim.clock(), tasks, scratch, 100, [](Http2&) {}});
  std::array<Answer, 3> answers;
  http2->start();
  auto const served = sim.start(http2->exchange(ask, watch, answers[0]));
  sim.settle();
  deaf.say(testing::h2::settings() + headers(1, ok, true));
  sim.settle();
  ASSERT_EQ(served.value(), Exchanged::settled);
  auto const sent = sim.start(http2->exchange(ask, watch, answers[1]));
  sim.settle();

  deaf.waiting = goaway(1, no_error);
  deaf.takes = false;
  auto const unsent = sim.start(http2->exchange(ask, watch, answers[2]));
  sim.settle();

  EXPECT_EQ(sent.value(), Exchanged::untouched) << answers[1].reason;
  EXPECT_EQ(unsent.value(), Exchanged::unsent) << answers[2].reason;
}

}  // namespace
}  // namespace millrace::http::client
