// The bounds of HTTP/2 in a Client: windows, time, floods, and who is not disturbed by them.
#include "http_client/http2_fixture.h"
#include "testing/allocations.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::HasSubstr;
using testing::Http2Peer;
using testing::Http2Request;

std::string const ok = status("200");

// --- Windows ---

TEST_F(Http2Test, a_window_that_never_opens_ends_by_the_deadline_and_holds_nobody_else) {
  testing::Http2Host other(sim, network, authority);
  answer_well(other);
  host.on_connection = [](Http2Peer& peer) {
    peer.credits = false;
    peer.say(testing::h2::settings({{initial_window_size, 0}}));
  };
  EXPECT_EQ(finished_ask("").answer.trouble, Trouble::timeout);  // its SETTINGS are known

  std::vector<Asking> asking;
  for (int i = 0; i < 10; ++i) asking.push_back(ask(std::string(100'000, 'x')));
  sim.settle();
  auto const theirs = ask_of(other, "x");
  EXPECT_EQ(finished(theirs).answer.body, "x");
  EXPECT_EQ(finished(theirs).took, 0s);

  for (auto const& one : asking) {
    EXPECT_EQ(finished(one).answer.trouble, Trouble::timeout);
    EXPECT_LE(finished(one).took, 15100ms);
  }
}

TEST_F(Http2Test, a_window_of_one_byte_is_used_byte_by_byte) {
  answer_well(host);
  host.on_connection = [](Http2Peer& peer) {
    peer.say(testing::h2::settings({{initial_window_size, 1}}));
  };
  std::string const body(300, 'x');

  auto const [answer, took] = finished_ask(body);

  EXPECT_EQ(answer.body, body) << answer.reason;
  EXPECT_EQ(took, 0s);
}

TEST_F(Http2Test, the_largest_window_is_used) {
  answer_well(host);
  host.on_connection = [](Http2Peer& peer) {
    peer.credits = false;
    peer.say(testing::h2::settings({{initial_window_size, 0x7fffffff}}) +
             window_update(0, 0x7fffffff - 65535));
  };
  std::string const body(1'000'000, 'x');

  auto const [answer, took] = finished_ask(body);

  EXPECT_EQ(host.peers[0]->requests.at(1).body, body);
  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(took, 0s);
}

TEST_F(Http2Test, an_answer_before_the_request_was_read_is_taken) {
  host.on_connection = [](Http2Peer& peer) {
    peer.credits = false;
    peer.say(testing::h2::settings());
  };
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(headers(request.id, status("413"), true) + rst_stream(request.id, no_error));
  };

  auto const [answer, took] = finished_ask(std::string(1'000'000, 'x'));

  EXPECT_EQ(answer.status, 413) << answer.reason;
  EXPECT_EQ(took, 0s);
  EXPECT_LE(host.peers[0]->requests.at(1).body.size(), 65535U);
}

TEST_F(Http2Test, a_request_that_needs_no_more_reading_is_ended) {
  host.on_connection = [](Http2Peer& peer) {
    peer.credits = false;
    peer.say(testing::h2::settings());
  };
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(headers(request.id, ok, true));
  };

  EXPECT_EQ(finished_ask(std::string(1'000'000, 'x')).answer.status, 200);
  sim.settle();

  EXPECT_EQ(host.peers[0]->requests.at(1).reset, no_error);
}

TEST_F(Http2Test, frames_stay_small_however_large_the_peer_takes_them) {
  answer_well(host);
  host.on_connection = [](Http2Peer& peer) {
    peer.say(
        testing::h2::settings({{initial_window_size, 0x7fffffff}, {max_frame_size, 0xffffff}}) +
        window_update(0, 0x7fffffff - 65535));
  };
  EXPECT_EQ(finished_ask().answer.status, 200);
  auto const held = testing::bytes_allocated();
  std::string const body(8 << 20, 'x');
  testing::forget_most_bytes();

  EXPECT_EQ(finished_ask(body).answer.status, 200);

  EXPECT_EQ(host.peers[0]->requests.at(3).body.size(), body.size());
  // Three: the test's, the ask's, the host's, which grows by doubling.
  EXPECT_LE(testing::most_bytes_allocated() - held, 5 * body.size() + (1 << 20));
}

TEST_F(Http2Test, any_size_of_the_table_of_headers_is_kept_to) {
  for (std::uint32_t const size : {0U, 1U, 100U, 0xffffffffU}) {
    begin(with_http2_from(1));
    answer_well(host);
    host.on_connection = [=](Http2Peer& peer) {
      peer.say(testing::h2::settings({{header_table_size, size}}));
    };
    for (int i = 0; i < 5; ++i) EXPECT_EQ(finished_ask().answer.status, 200);
    EXPECT_EQ(host.peers.back()->requests.at(9).field(":path"), "/hook");
  }
}

TEST_F(Http2Test, windows_are_given_back_for_what_is_kept_and_for_what_is_not) {
  std::uint64_t said = 0;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    // Ends within the bound, or goes on after it, on every second stream.
    int const pieces = request.id % 4 == 1 ? 3 : 6;
    peer.say(headers(request.id, ok));
    for (int i = 1; i <= pieces; ++i)
      peer.say(data(request.id, std::string(16'000, 'x'), i == pieces));
    said += static_cast<std::uint64_t>(pieces) * 16'000;
  };

  for (int i = 0; i < 200; ++i) EXPECT_EQ(finished_ask().answer.status, 200);
  sim.settle();

  ASSERT_EQ(host.peers.size(), 1U);
  EXPECT_GT(said, 14'000'000U);
  EXPECT_GE(host.peers[0]->credited, said + 65535);
}

TEST_F(Http2Test, a_peer_that_does_not_read_ends_by_the_deadline) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.peers[0]->reads = false;
  host.peers[0]->say(window_update(0, 1 << 30) +
                     testing::h2::settings({{initial_window_size, 1 << 30}}));
  sim.settle();

  auto const [answer, took] = finished_ask(std::string(1'000'000, 'x'));

  EXPECT_EQ(answer.trouble, Trouble::timeout);
  EXPECT_LE(took, 15100ms);
  host.peers[0]->close();
}

TEST_F(Http2Test, a_flood_of_pings_by_a_peer_that_does_not_read_is_ended) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.peers[0]->reads = false;
  host.peers[0]->say_for_ever(ping());
  sim.settle();

  EXPECT_LE(host.peers[0]->written(), 2U << 20);
  EXPECT_EQ(client->open_connections(), 0U);
  auto const [answer, took] = finished_ask("x");
  EXPECT_EQ(answer.body, "x");
  EXPECT_FALSE(answer.http2);
}

// --- Time ---

TEST_F(Http2Test, is_judged_by_the_clock_when_the_header_block_ends) {
  for (bool const late : {false, true}) {
    answer_well(host);
    EXPECT_EQ(finished_ask().answer.status, 200);
    auto& peer = *host.peers.back();
    host.on_request = nullptr;
    // The sweep looks ten times a second; the verdict must not depend on when.
    sim.advance(50ms);
    auto const asking = ask();
    sim.settle();
    sim.advance(late ? 15001ms : 14999ms);
    peer.say(headers(peer.requests.rbegin()->first, ok, true));

    auto const& [answer, took] = finished(asking);
    EXPECT_EQ(answer.trouble, late ? Trouble::timeout : Trouble::none) << answer.reason;
    begin(with_http2_from(1));
  }
}

TEST_F(Http2Test, dribbled_headers_do_not_buy_time_and_dribbled_bodies_do_not_change_the_verdict) {
  for (bool const body : {false, true}) {
    begin(with_http2_from(1));
    answer_well(host);
    host.on_head = nullptr;
    host.on_request = nullptr;
    auto const asking = ask();
    sim.settle();
    auto& peer = *host.peers.back();
    auto const bytes = (body ? headers(1, ok) : "") +
                       (body ? data(1, std::string(100, 'x'))
                             : headers(1, ok + literal("x", std::string(100, 'x')), true));
    std::size_t at = body ? headers(1, ok).size() : 0;
    peer.say(bytes.substr(0, at));
    for (int second = 0; second < 16 && !asking.done(); ++second) {
      peer.say(bytes.substr(at++, 1));
      sim.advance(1s);
    }

    auto const& [answer, took] = finished(asking);
    EXPECT_EQ(answer.trouble, body ? Trouble::none : Trouble::timeout) << answer.reason;
    EXPECT_EQ(answer.status, body ? 200 : 0);
    EXPECT_GE(took, 15s);
    EXPECT_LE(took, 15100ms);
    if (body) EXPECT_EQ(answer.reason, "slow body");
  }
}

TEST_F(Http2Test, an_ask_that_is_given_up_tells_the_peer_and_leaves_a_lively_connection_to_others) {
  host.on_request = nullptr;
  auto const silent = ask();
  sim.settle();
  sim.advance(12s);
  host.peers.at(0)->say(ping());

  EXPECT_EQ(finished(silent).answer.trouble, Trouble::timeout);
  sim.settle();

  EXPECT_EQ(host.peers.at(0)->requests.at(1).reset, cancel);
  answer_well(host);
  EXPECT_TRUE(finished_ask().answer.reused);
}

// --- Others beside ---

TEST_F(Http2Test, one_bad_stream_does_not_disturb_its_neighbours) {
  answer_well(host);
  auto const good = host.on_request;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (request.body == "bad")
      peer.say(headers(request.id, ok + literal("Server", "x"), true));
    else
      good(peer, request);
  };

  std::vector<Asking> asking;
  for (int i = 0; i < 50; ++i) asking.push_back(ask(i % 5 == 0 ? "bad" : std::to_string(i)));

  for (std::size_t i = 0; i < asking.size(); ++i) {
    auto const& answer = finished(asking[i]).answer;
    EXPECT_EQ(answer.trouble, i % 5 == 0 ? Trouble::protocol : Trouble::none);
    if (i % 5 != 0) EXPECT_EQ(answer.body, std::to_string(i));
  }
  EXPECT_EQ(host.peers.size(), 1U);
}

TEST_F(Http2Test, DATA_on_a_closed_stream_for_ever_ends_the_connection) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.on_request = nullptr;
  auto const beside = ask();
  sim.settle();

  host.peers[0]->say_for_ever(data(1, std::string(1000, 'x')));
  auto const& [answer, took] = finished(beside);

  EXPECT_NE(answer.trouble, Trouble::none);
  EXPECT_EQ(took, 0s);
  EXPECT_LE(host.peers[0]->written(), 2U << 20);
  EXPECT_EQ(client->open_connections(), 0U);
}

TEST_F(Http2Test, empty_DATA_for_ever_ends_the_connection_and_the_verdict_stays) {
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(headers(request.id, ok));
    peer.say_for_ever(data(request.id, ""));
  };

  auto const [answer, took] = finished_ask();

  EXPECT_EQ(answer.trouble, Trouble::none);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body_cut);
  EXPECT_THAT(answer.reason, HasSubstr("bad framing"));
  EXPECT_EQ(took, 0s);
  EXPECT_LE(host.peers[0]->written(), 1U << 20);
}

TEST_F(Http2Test, CONTINUATION_for_ever_ends_the_connection) {
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(frame(Type::headers, 0, request.id, ok));
    peer.say_for_ever(frame(Type::continuation, 0, request.id, ""));
  };

  auto const [answer, took] = finished_ask();

  EXPECT_EQ(answer.trouble, Trouble::protocol) << answer.reason;
  EXPECT_EQ(took, 0s);
  EXPECT_LE(host.peers[0]->written(), 1U << 20);
}

TEST_F(Http2Test, a_flood_while_nobody_asks_ends_the_connection) {
  for (auto const& flood :
       {ping(), testing::h2::settings(), window_update(0, 1), frame(Type(0xaa), 0, 0, "")}) {
    begin(with_http2_from(1));
    answer_well(host);
    EXPECT_EQ(finished_ask().answer.status, 200);

    host.peers.back()->say_for_ever(flood);
    sim.settle();

    EXPECT_LE(host.peers.back()->written(), 2U << 20);
    EXPECT_EQ(client->open_connections(), 0U);
  }
}

TEST_F(Http2Test, connections_that_rest_are_closed) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  EXPECT_EQ(client->open_connections(), 1U);

  sim.advance(60s);

  EXPECT_EQ(client->open_connections(), 0U);
  EXPECT_EQ(host.open(), 0U);
  EXPECT_EQ(host.peers[0]->goaway, no_error);
  auto const later = finished_ask("x").answer;  // HTTP/2 is not held against it
  EXPECT_TRUE(later.http2);
}

TEST_F(Http2Test, a_client_that_goes_away_in_the_middle_leaves_nothing_behind) {
  host.on_request = nullptr;
  auto const asking = ask();
  sim.settle();
  EXPECT_EQ(host.requests(), 1U);

  client.reset();
  sim.settle();

  EXPECT_EQ(host.open(), 0U);
}

TEST_F(Http2Test, an_answer_to_HEAD_has_no_body) {
  host.on_request = [](Http2Peer& peer, Http2Request& request) {
    peer.say(headers(request.id, ok + literal("content-length", "1000"), true));
  };

  auto const& [answer, took] = finished(ask("", "HEAD"));

  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(answer.reason, "");
}

}  // namespace
}  // namespace millrace::http::client
