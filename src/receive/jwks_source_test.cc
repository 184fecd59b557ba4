#include "receive/jwks_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "receive/test_keys.h"
#include "testing/sim.h"

namespace millrace::receive {
namespace {

using namespace std::chrono_literals;

class JwksSourceTest : public ::testing::Test {
 protected:
  testing::Sim sim;
  ScriptedJwks served{sim.clock()};
  JwksSource source{sim.executor(), sim.clock(), sim.log(), served.fetch()};
};

TEST_F(JwksSourceTest, fetches_again_each_hour) {
  sim.start(source.keep());
  sim.advance(59min);
  EXPECT_EQ(served.fetches, 1);
  ASSERT_NE(source.keys(), nullptr);
  EXPECT_EQ(source.keys()->size(), 1U);

  served.text = jwks_of({"one", "two"});
  sim.advance(1min);

  EXPECT_EQ(served.fetches, 2);
  EXPECT_EQ(source.keys()->size(), 2U);
}

TEST_F(JwksSourceTest, keeps_its_keys_when_a_fetch_fails_and_tries_again_soon) {
  sim.start(source.keep());
  sim.settle();
  served.text = fail(Fault::unreachable, "nobody there");
  sim.advance(1h + 1s);

  EXPECT_EQ(served.fetches, 2);
  ASSERT_NE(source.keys(), nullptr);
  sim.advance(30s);
  EXPECT_EQ(served.fetches, 3);
}

TEST_F(JwksSourceTest, what_is_no_jwks_never_replaces_keys) {
  ASSERT_TRUE(sim.run(source.refresh()));
  for (auto const* wrong : {"", "<html>", "{}", R"({"keys":[]})"}) {
    served.text = std::string(wrong);
    EXPECT_FALSE(sim.run(source.refresh())) << wrong;
  }

  ASSERT_NE(source.keys(), nullptr);
  EXPECT_EQ(source.keys()->size(), 1U);
}

TEST_F(JwksSourceTest, an_unknown_kid_fetches_at_most_once_in_30_seconds) {
  sim.start(source.keep());
  sim.settle();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(sim.run(source.refresh_for_unknown_kid()));
  EXPECT_EQ(served.fetches, 1);

  sim.advance(30s);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(sim.run(source.refresh_for_unknown_kid()));

  EXPECT_EQ(served.fetches, 2);
}

TEST_F(JwksSourceTest, without_any_key_it_asks_again_soon_and_tells_once) {
  auto const good = served.text;
  served.text = fail(Fault::unreachable, "not up yet");
  sim.start(source.keep());
  sim.advance(5s);
  EXPECT_EQ(served.fetches, 3);
  EXPECT_EQ(sim.log().lines("keys not fetched").size(), 1U);

  served.text = good;
  sim.advance(1s);

  EXPECT_NE(source.keys(), nullptr);
}

TEST_F(JwksSourceTest, those_who_ask_during_a_fetch_share_it) {
  served.takes = 5s;
  auto const first = sim.start(source.refresh());
  auto const second = sim.start(source.refresh_for_unknown_kid());
  sim.advance(4s);
  EXPECT_FALSE(first.done() || second.done());

  sim.advance(1s);

  ASSERT_TRUE(first.done() && second.done());
  EXPECT_TRUE(first.value() && second.value());
  EXPECT_EQ(served.fetches, 1);
}

}  // namespace
}  // namespace millrace::receive
