// HTTP/2 as a Client uses it: when it is opened, shared, resent, given up.
#include "http_client/http2_fixture.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::HasSubstr;
using testing::Http2Peer;
using testing::Http2Request;

std::string const ok = status("200");

TEST_F(Http2Test, sends_the_request_and_reads_the_answer) {
  answer_well(host);

  auto const [answer, took] = finished_ask("{\"a\":1}");

  EXPECT_EQ(answer.trouble, Trouble::none) << answer.reason;
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"a\":1}");
  EXPECT_TRUE(answer.http2);
  EXPECT_FALSE(answer.reused);
  EXPECT_EQ(took, 0s);
  ASSERT_EQ(host.peers.size(), 1U);
  auto const& peer = *host.peers[0];
  EXPECT_EQ(peer.settings.at(enable_push), 0U);
  EXPECT_EQ(peer.settings_acks, 1);
  auto const& request = peer.requests.at(1);
  EXPECT_EQ(request.field(":method"), "POST");
  EXPECT_EQ(request.field(":path"), "/hook");
  EXPECT_EQ(request.field(":scheme"), "https");
  EXPECT_EQ("https://" + request.field(":authority") + "/hook", host.url());
  EXPECT_EQ(request.field("content-type"), "application/json");
  EXPECT_EQ(request.field("content-length"), "7");
}

TEST_F(Http2Test, is_offered_from_the_eighth_ask_under_way_on) {
  begin({});
  answer_well(host);
  host.on_http1 = [](auto const&) { return ""; };  // holds them

  std::vector<Asking> asking;
  for (int i = 0; i < 7; ++i) asking.push_back(ask());
  sim.settle();
  EXPECT_EQ(host.connections.size(), 7U);
  EXPECT_EQ(host.offers, 0);

  auto const eighth = finished_ask();
  EXPECT_TRUE(eighth.answer.http2);
  EXPECT_EQ(eighth.took, 0s);
  EXPECT_EQ(host.offers, 1);
  auto const ninth = finished_ask();
  EXPECT_TRUE(ninth.answer.http2);
  EXPECT_TRUE(ninth.answer.reused);
  EXPECT_EQ(host.connections.size(), 8U);
}

TEST_F(Http2Test, is_not_offered_when_the_setting_is_off) {
  auto limits = with_http2_from(1);
  limits.http2 = false;
  begin(limits);

  std::vector<Asking> asking;
  for (int i = 0; i < 20; ++i) asking.push_back(ask());

  for (auto const& one : asking) {
    EXPECT_EQ(finished(one).answer.status, 200);
    EXPECT_FALSE(finished(one).answer.http2);
  }
  EXPECT_EQ(host.offers, 0);
}

TEST_F(Http2Test, carries_200_asks_over_two_connections_each_with_its_own_answer) {
  begin({});
  answer_well(host);
  auto const good = host.on_request;
  std::vector<std::pair<Http2Peer*, std::uint32_t>> held;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    held.emplace_back(&peer, request.id);
  };
  host.on_http1 = [](auto const&) { return ""; };

  std::vector<Asking> asking;
  for (int i = 0; i < 7; ++i) asking.push_back(ask("of HTTP/1.1"));
  sim.settle();
  asking.clear();
  for (int i = 0; i < 200; ++i) asking.push_back(ask("ask " + std::to_string(i)));
  sim.settle();
  EXPECT_EQ(held.size(), 200U);
  EXPECT_LE(host.peers.size(), 2U);
  while (!held.empty()) {  // the newest first
    auto const [peer, id] = held.back();
    held.pop_back();
    good(*peer, peer->requests[id]);
  }

  for (std::size_t i = 0; i < asking.size(); ++i) {
    auto const& [answer, took] = finished(asking[i]);
    EXPECT_EQ(answer.body, "ask " + std::to_string(i));
    EXPECT_TRUE(answer.http2);
    EXPECT_EQ(took, 0s);
  }
}

TEST_F(Http2Test, begins_no_more_streams_than_the_peer_takes) {
  for (std::uint32_t const most : {1U, 3U}) {
    begin(with_http2_from(1));
    host.peers.clear();
    std::deque<std::pair<Http2Peer*, std::uint32_t>> held;
    answer_well(host);
    auto const good = host.on_request;
    host.on_connection = [=](Http2Peer& peer) {
      peer.say(testing::h2::settings({{max_concurrent_streams, most}}));
    };
    EXPECT_EQ(finished_ask().answer.status, 200);  // its SETTINGS are known
    std::map<Http2Peer*, std::size_t> live, worst;
    host.on_request = [&](Http2Peer& peer, Http2Request& request) {
      worst[&peer] = std::max(worst[&peer], ++live[&peer]);
      held.emplace_back(&peer, request.id);
    };

    std::vector<Asking> asking;
    for (int i = 0; i < 20; ++i) asking.push_back(ask(std::to_string(i)));
    for (sim.settle(); !held.empty(); sim.settle()) {
      auto const [peer, id] = held.front();
      held.pop_front();
      --live[peer];
      good(*peer, peer->requests[id]);
    }

    for (std::size_t i = 0; i < asking.size(); ++i) {
      EXPECT_EQ(finished(asking[i]).answer.body, std::to_string(i));
      EXPECT_FALSE(finished(asking[i]).answer.resent);
    }
    for (auto const& [peer, count] : worst) EXPECT_LE(count, most);
  }
}

TEST_F(Http2Test, asks_do_not_wait_behind_a_stream_where_there_is_no_room) {
  answer_well(host);
  auto const good = host.on_request;
  host.on_connection = [](Http2Peer& peer) {
    peer.say(testing::h2::settings({{max_concurrent_streams, 1}}));
  };
  EXPECT_EQ(finished_ask().answer.status, 200);  // its SETTINGS are known
  host.on_request = nullptr;
  auto const hanging = ask();
  sim.settle();
  host.on_request = good;

  auto const beside = finished_ask("x");

  EXPECT_EQ(beside.answer.body, "x");
  EXPECT_EQ(beside.took, 0s);
  EXPECT_FALSE(hanging.done());
  EXPECT_EQ(host.peers.size(), 2U);
}

TEST_F(Http2Test, a_peer_that_takes_no_streams_is_asked_over_HTTP_1) {
  answer_well(host);
  host.on_connection = [](Http2Peer& peer) {
    peer.say(testing::h2::settings({{max_concurrent_streams, 0}}));
  };
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(rst_stream(request.id, refused_stream));
  };
  host.on_request = nullptr;

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_FALSE(answer.http2);
  EXPECT_EQ(took, 0s);
  EXPECT_EQ(host.offers, 1);
  EXPECT_EQ(finished_ask().answer.status, 200);
  EXPECT_EQ(host.offers, 1);
}

// --- GOAWAY ---

TEST_F(Http2Test, a_graceful_GOAWAY_lets_those_below_finish_and_sends_those_above_again) {
  answer_well(host);
  auto const good = host.on_request;
  EXPECT_EQ(finished_ask().answer.status, 200);
  auto& old = *host.peers[0];
  std::vector<std::uint32_t> held;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (&peer == &old)
      held.push_back(request.id);
    else
      good(peer, request);
  };
  std::vector<Asking> asking;
  for (int i = 0; i < 6; ++i) asking.push_back(ask(std::to_string(i)));
  sim.settle();
  ASSERT_EQ(held.size(), 6U);

  old.say(goaway(held[2], no_error));
  sim.settle();
  EXPECT_FALSE(asking[0].done());
  for (int i = 0; i < 3; ++i) good(old, old.requests[held[static_cast<std::size_t>(i)]]);

  for (std::size_t i = 0; i < 6; ++i) {
    auto const& [answer, took] = finished(asking[i]);
    EXPECT_EQ(answer.trouble, Trouble::none) << answer.reason;
    EXPECT_EQ(answer.body, std::to_string(i));
    EXPECT_EQ(answer.resent, i > 2);
    EXPECT_EQ(took, 0s);
  }
  EXPECT_EQ(host.peers.size(), 2U);
  EXPECT_TRUE(old.is_over());
  EXPECT_EQ(host.peers[1]->requests.size(), 3U);
  EXPECT_EQ(client->open_connections(), 1U);
}

TEST_F(Http2Test, a_GOAWAY_announced_long_before_it_counts_ends_nothing) {
  answer_well(host);
  auto const good = host.on_request;
  host.on_request = nullptr;
  auto const first = ask("1");
  sim.settle();
  auto& old = *host.peers.at(0);

  old.say(goaway(0x7fffffff, no_error));
  sim.settle();
  host.on_request = good;
  auto const second = finished_ask("2");
  good(old, old.requests.at(1));

  EXPECT_EQ(finished(first).answer.body, "1");
  EXPECT_FALSE(finished(first).answer.resent);
  EXPECT_EQ(second.answer.body, "2");
  EXPECT_FALSE(second.answer.resent);
  EXPECT_EQ(host.peers.size(), 2U);
  EXPECT_TRUE(old.is_over());
}

TEST_F(Http2Test, a_GOAWAY_with_an_error_sends_again_only_what_it_does_not_count) {
  answer_well(host);
  auto const good = host.on_request;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (&peer != host.peers[0]) return good(peer, request);
    if (request.id < 3) return;
    peer.say(goaway(1, internal_error));
    peer.close_when_said();
  };

  auto const counted = ask("1"), not_counted = ask("2");
  auto const& lost = finished(counted).answer;
  auto const& moved = finished(not_counted).answer;

  EXPECT_EQ(lost.trouble, Trouble::broken);
  EXPECT_THAT(lost.reason, HasSubstr("INTERNAL_ERROR"));
  EXPECT_FALSE(lost.resent);
  EXPECT_EQ(moved.body, "2");
  EXPECT_TRUE(moved.resent);
}

// --- What is sent again, and its end ---

TEST_F(Http2Test, a_refused_stream_is_sent_again) {
  answer_well(host);
  auto const good = host.on_request;
  int refused = 0;
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (refused++ == 0)
      peer.say(rst_stream(request.id, refused_stream));
    else
      good(peer, request);
  };

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x");
  EXPECT_TRUE(answer.resent);
  EXPECT_TRUE(answer.http2);
  EXPECT_EQ(took, 0s);
  EXPECT_EQ(host.requests(), 2U);
}

TEST_F(Http2Test, a_peer_that_refuses_always_is_asked_over_HTTP_1_and_that_is_remembered) {
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(rst_stream(request.id, refused_stream));
  };

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x") << answer.reason;
  EXPECT_TRUE(answer.resent);
  EXPECT_FALSE(answer.http2);
  EXPECT_EQ(took, 0s);
  EXPECT_EQ(host.requests(), 2U);
  EXPECT_EQ(host.http1_requests, 1);
  auto const later = finished_ask("y").answer;
  EXPECT_EQ(later.body, "y");
  EXPECT_FALSE(later.resent);
  EXPECT_EQ(host.requests(), 2U);
}

TEST_F(Http2Test, a_peer_that_spoils_three_answers_in_a_row_is_asked_over_HTTP_1) {
  host.on_request = [](Http2Peer& peer, Http2Request& request) {
    peer.say(headers(request.id, ok + literal("Server", "x"), true));
  };
  for (int i = 0; i < 3; ++i) {
    auto const spoilt = finished_ask("x").answer;
    EXPECT_EQ(spoilt.trouble, Trouble::protocol);
    EXPECT_TRUE(spoilt.http2);
  }

  auto const answer = finished_ask("y").answer;

  EXPECT_EQ(answer.body, "y") << answer.reason;
  EXPECT_FALSE(answer.http2);
  EXPECT_FALSE(answer.resent);
}

TEST_F(Http2Test, a_peer_that_refuses_always_and_has_no_HTTP_1_either_is_left_in_peace) {
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(rst_stream(request.id, refused_stream));
  };
  host.on_http1 = [&](auto const&) {
    host.connections.back()->close();
    return "";
  };

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.trouble, Trouble::broken);
  EXPECT_TRUE(answer.resent);
  EXPECT_EQ(host.requests(), 2U);
  EXPECT_EQ(host.http1_requests, 1);
}

TEST_F(Http2Test, every_new_connection_that_goes_away_at_once_does_not_loop) {
  host.on_connection = [](Http2Peer& peer) {
    peer.say(testing::h2::settings() + goaway(0, no_error));
    peer.close_when_said();
  };

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x") << answer.reason;
  EXPECT_FALSE(answer.http2);
  EXPECT_LE(host.connections.size(), 3U);
  EXPECT_EQ(took, 0s);
}

TEST_F(Http2Test, HTTP_1_1_REQUIRED_falls_back_and_is_remembered_for_ten_minutes) {
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(rst_stream(request.id, http_1_1_required));
  };

  auto const first = finished_ask("x").answer;
  EXPECT_EQ(first.body, "x") << first.reason;
  EXPECT_FALSE(first.http2);
  EXPECT_TRUE(first.resent);
  EXPECT_EQ(host.requests(), 1U);

  EXPECT_FALSE(finished_ask().answer.resent);
  sim.advance(9min);
  EXPECT_FALSE(finished_ask().answer.resent);
  EXPECT_EQ(host.offers, 1);

  sim.advance(61s);
  answer_well(host);
  EXPECT_TRUE(finished_ask().answer.http2);
  EXPECT_EQ(host.offers, 2);
}

TEST_F(Http2Test, a_connection_that_was_closed_while_it_rested_is_no_loss) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.peers[0]->close();
  sim.settle();

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x");
  EXPECT_TRUE(answer.http2);
  EXPECT_FALSE(answer.resent);
  EXPECT_EQ(took, 0s);
}

TEST_F(Http2Test, a_reused_connection_that_breaks_before_any_byte_is_followed_by_another) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.on_head = [](Http2Peer& peer, Http2Request&) { peer.close(); };
  host.on_request = nullptr;

  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x") << answer.reason;
  EXPECT_TRUE(answer.resent);
  EXPECT_EQ(took, 0s);
  EXPECT_EQ(host.requests(), 2U);  // of the two asks; the third went over HTTP/1.1
}

TEST_F(Http2Test, streams_under_way_when_a_connection_breaks_are_not_sent_again_once_bytes_came) {
  answer_well(host);
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.on_request = [&](Http2Peer& peer, Http2Request& request) {
    if (request.id != 5) return;
    peer.say(headers(5, ok, true));
    peer.close_when_said();
  };

  auto const lost = ask("1"), answered = ask("2");

  EXPECT_EQ(finished(answered).answer.status, 200);
  EXPECT_EQ(finished(lost).answer.trouble, Trouble::broken);
  EXPECT_FALSE(finished(lost).answer.resent);
}

TEST_F(Http2Test, a_reset_of_the_network_is_judged_by_what_had_come) {
  for (std::string const& said :
       {std::string(), headers(1, ok).substr(0, 9), headers(1, ok) + data(1, "abc")}) {
    begin(with_http2_from(1));
    bool const whole = said.size() > 9;
    host.on_request = [&](Http2Peer& peer, Http2Request&) { peer.say(said); };
    auto const asking = ask();
    sim.settle();
    network.cut(boost::asio::ip::address_v4::loopback());

    auto const& answer = finished(asking).answer;

    EXPECT_EQ(answer.trouble, whole ? Trouble::none : Trouble::broken) << answer.reason;
    EXPECT_EQ(answer.status, whole ? 200 : 0);
    EXPECT_EQ(answer.body_cut, whole);
    EXPECT_FALSE(answer.resent);
    EXPECT_THAT(answer.reason, HasSubstr(whole ? "within the body" : "before the end"));
    EXPECT_EQ(client->open_connections(), 0U);
  }
}

// --- ALPN ---

TEST_F(Http2Test, a_peer_that_does_not_begin_with_SETTINGS_is_asked_over_HTTP_1_later) {
  host.on_connection = [](Http2Peer&) {};
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(headers(request.id, ok, true));
  };

  EXPECT_EQ(finished_ask().answer.trouble, Trouble::protocol);
  EXPECT_FALSE(finished_ask("x").answer.http2);
  EXPECT_EQ(finished_ask("x").answer.body, "x");
}

TEST_F(Http2Test, a_peer_that_chooses_HTTP_1_is_used_as_such_and_remembered_for_an_hour) {
  host.chooses_http2 = false;

  auto const first = finished_ask("x").answer;
  EXPECT_EQ(first.body, "x");
  EXPECT_FALSE(first.http2);
  EXPECT_FALSE(first.resent);
  EXPECT_EQ(host.offers, 1);

  sim.advance(59min);  // nothing rests so long
  EXPECT_EQ(finished_ask().answer.status, 200);
  EXPECT_EQ(host.connections.size(), 2U);
  EXPECT_EQ(host.offers, 1);

  sim.advance(61s);
  host.chooses_http2 = true;
  answer_well(host);
  EXPECT_TRUE(finished_ask().answer.http2);
  EXPECT_EQ(host.offers, 2);
}

TEST_F(Http2Test, many_asks_at_once_to_a_peer_without_HTTP_2_all_get_a_connection) {
  begin({});
  host.chooses_http2 = false;
  host.on_http1 = [](auto const&) { return ""; };

  std::vector<Asking> asking;
  for (int i = 0; i < 100; ++i) asking.push_back(ask());
  sim.settle();

  EXPECT_EQ(host.http1_requests, 100);
}

TEST_F(Http2Test, a_peer_that_chose_h2_and_speaks_HTTP_1_is_asked_over_HTTP_1) {
  host.on_connection = [](Http2Peer& peer) {
    peer.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  };

  for (int i = 0; i < 2; ++i) {
    auto const answer = finished_ask("x").answer;
    EXPECT_EQ(answer.body, "x") << answer.reason;
    EXPECT_FALSE(answer.http2);
    EXPECT_FALSE(answer.resent);  // it showed before anything was sent
  }
  EXPECT_EQ(host.requests(), 0U);
  EXPECT_EQ(host.offers, 1);
}

}  // namespace
}  // namespace millrace::http::client
