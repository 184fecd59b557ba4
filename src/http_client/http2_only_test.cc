// Receivers that speak nothing but HTTP/2, and those that seem to.
#include "http_client/http2_fixture.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::HasSubstr;
using testing::Http2Peer;
using testing::Http2Request;
using Otherwise = testing::Http2Host::Otherwise;

std::string const ok = status("200");

// As a Client comes: HTTP/2 is offered from the eighth ask on.
class Http2OnlyTest : public Http2Test, public ::testing::WithParamInterface<Otherwise> {
 protected:
  Http2OnlyTest() {
    begin({});
    answer_well(host);
    host.otherwise = GetParam();
  }
  bool alerts() const { return GetParam() == Otherwise::alert; }
};
INSTANTIATE_TEST_SUITE_P(, Http2OnlyTest, ::testing::Values(Otherwise::the_end, Otherwise::alert),
                         [](auto const& info) {
                           return info.param == Otherwise::alert ? "alert" : "the_end";
                         });

TEST_P(Http2OnlyTest, gets_the_first_ask_and_is_remembered) {
  auto const [answer, took] = finished_ask("x");

  EXPECT_EQ(answer.body, "x") << answer.reason;
  EXPECT_TRUE(answer.http2);
  EXPECT_EQ(answer.resent, !alerts()) << "behind a handshake it may have seen the request";
  EXPECT_EQ(took, 0s);
  EXPECT_EQ(host.connections.size(), 2U);

  sim.advance(2min);  // nothing is kept so long
  auto const later = finished_ask("y").answer;
  EXPECT_EQ(later.body, "y") << later.reason;
  EXPECT_FALSE(later.resent);
  EXPECT_EQ(host.connections.size(), 3U);
}

TEST_P(Http2OnlyTest, gets_each_of_a_thousand_asks) {
  std::vector<Asking> asking;
  for (int i = 0; i < 1000; ++i) asking.push_back(ask(std::to_string(i)));

  for (std::size_t i = 0; i < asking.size(); ++i)
    EXPECT_EQ(finished(asking[i]).answer.body, std::to_string(i));
  EXPECT_EQ(host.requests(), 1000U);
}

TEST_P(Http2OnlyTest, gets_each_of_five_asks_at_once) {
  std::vector<Asking> asking;
  for (int i = 0; i < 5; ++i) asking.push_back(ask(std::to_string(i)));

  for (std::size_t i = 0; i < asking.size(); ++i)
    EXPECT_EQ(finished(asking[i]).answer.body, std::to_string(i));
  EXPECT_EQ(host.requests(), 5U);
}

TEST_P(Http2OnlyTest, is_not_asked_over_HTTP_1_when_it_refuses) {
  EXPECT_EQ(finished_ask().answer.status, 200);
  host.on_head = [](Http2Peer& peer, Http2Request& request) {
    peer.say(rst_stream(request.id, refused_stream));
  };

  auto const refused = finished_ask("x").answer;
  answer_well(host);
  auto const again = finished_ask("y").answer;

  EXPECT_EQ(refused.trouble, Trouble::broken);
  EXPECT_THAT(refused.reason, HasSubstr("REFUSED_STREAM"));
  EXPECT_EQ(again.body, "y") << again.reason;
  EXPECT_EQ(host.http1_requests, 0);
}

TEST_P(Http2OnlyTest, is_asked_over_HTTP_2_again_when_a_kept_connection_ends_without_a_word) {
  EXPECT_EQ(finished_ask("x").answer.body, "x");
  host.on_head = [this](Http2Peer& peer, Http2Request&) {
    answer_well(host);
    peer.close();
  };

  auto const answer = finished_ask("y").answer;

  EXPECT_EQ(answer.body, "y") << answer.reason;
  EXPECT_TRUE(answer.http2);
  EXPECT_EQ(host.http1_requests, 0);
}

TEST_P(Http2OnlyTest, is_told_by_name_where_HTTP_2_is_switched_off) {
  ClientLimits limits;
  limits.http2 = false;
  begin(limits);

  auto const answer = finished_ask("x").answer;

  EXPECT_EQ(answer.trouble, alerts() ? Trouble::tls : Trouble::broken);
  EXPECT_THAT(answer.reason, HasSubstr("ALPN"));
  EXPECT_EQ(host.offers, 0);
}

TEST_P(Http2OnlyTest, one_that_takes_HTTP_2_neither_is_asked_once_for_it_and_told_by_name) {
  host.chooses_http2 = false;

  for (int i = 0; i < 3; ++i) {
    auto const [answer, took] = finished_ask("x");
    EXPECT_EQ(answer.trouble, alerts() ? Trouble::tls : Trouble::broken);
    EXPECT_THAT(answer.reason, HasSubstr("ALPN"));
    EXPECT_FALSE(answer.status != 0 || answer.http2);
  }

  EXPECT_EQ(host.offers, 1);
  EXPECT_EQ(host.http1_requests, 0);
}

TEST_P(Http2OnlyTest, one_that_chooses_HTTP_2_and_ends_all_the_same_is_left_in_peace) {
  host.on_connection = [](Http2Peer& peer) { peer.close(); };

  auto const [answer, took] = finished_ask("x");

  EXPECT_NE(answer.trouble, Trouble::none);
  EXPECT_EQ(took, 0s);
  EXPECT_LE(host.connections.size(), 3U);
  finished_ask("y");
  EXPECT_LE(host.connections.size(), 5U);
}

using Http2OfferTest = Http2Test;

TEST_F(Http2OfferTest, is_not_made_to_one_that_chose_HTTP_1_and_ended) {
  begin({});
  host.otherwise = Otherwise::end_chosen;

  auto const answer = finished_ask("x").answer;

  EXPECT_EQ(answer.trouble, Trouble::broken);
  EXPECT_EQ(host.offers, 0);
  EXPECT_EQ(host.connections.size(), 1U);
}

TEST_F(Http2OfferTest, is_not_made_to_one_that_has_answered_over_HTTP_1_before) {
  begin({});
  EXPECT_EQ(finished_ask("x").answer.body, "x");
  host.otherwise = Otherwise::the_end;
  sim.advance(2min);  // a connection that was kept would tell by itself

  auto const answer = finished_ask("y").answer;

  EXPECT_EQ(answer.trouble, Trouble::broken);
  EXPECT_EQ(host.offers, 0);
}

}  // namespace
}  // namespace millrace::http::client
