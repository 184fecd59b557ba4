#include "delivery/renderer.h"

#include "crypto/jwt.h"
#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

using model::SignedBody;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class RendererTest : public DispatcherTest {
 protected:
  std::vector<crypto::Jwk> published() {
    return *crypto::parse_jwks(keys.get()->jwks(sim.clock().wall()));
  }
  model::DataStream signed_stream(std::uint64_t n, SignedBody as = SignedBody::raw) {
    auto one = stream(n);
    one.delivery.sign_payload = true;
    one.delivery.signed_body = as;
    return one;
  }
};

TEST_F(RendererTest, signed_bodies_verify_and_carry_the_event_as_it_is) {
  open({signed_stream(1), signed_stream(2, SignedBody::quoted), signed_stream(3, SignedBody::jwt)});

  auto const ids = append(1);
  sim.advance(1s);

  std::string claims;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_THAT(endpoint(n)->got, SizeIs(1));
    auto const verified = crypto::verify_jwt(endpoint(n)->got[0].body, published());
    ASSERT_TRUE(verified) << verified.error().what;
    EXPECT_EQ(verified->kid, "kid-1");
    claims = verified->claims;
    // The event's own keys first, byte for byte.
    auto const payload = memory.payloads()[0];
    EXPECT_THAT(claims, StartsWith(payload.substr(0, payload.size() - 1) + ","));
    EXPECT_THAT(claims, HasSubstr("\"jti\":\"" + ids[0].text() + "\""));
    EXPECT_THAT(claims, HasSubstr("\"iss\":\"https://live-events.canvas.instructure.com\""));
    EXPECT_THAT(verified->header, HasSubstr("RS256"));
  }
  EXPECT_EQ(endpoint(1)->got[0].content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(endpoint(2)->got[0].content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(endpoint(3)->got[0].content_type, "application/jwt");
  EXPECT_EQ(endpoint(2)->got[0].body, "\"" + endpoint(1)->got[0].body + "\"");
  EXPECT_EQ(endpoint(3)->got[0].body, endpoint(1)->got[0].body);
  EXPECT_EQ(dispatcher->signatures().value(), 1);
}

TEST_F(RendererTest, many_streams_share_one_signature_an_event) {
  std::vector<model::DataStream> many;
  for (std::uint64_t n = 1; n <= 20; ++n) many.push_back(signed_stream(n));
  open(many);

  append(7);
  sim.advance(1s);

  for (std::uint64_t n = 1; n <= 20; ++n) EXPECT_THAT(endpoint(n)->got, SizeIs(7));
  EXPECT_EQ(dispatcher->signatures().value(), 7);
}

TEST_F(RendererTest, every_try_sends_the_same_bytes_even_after_a_rotation) {
  open({signed_stream(1)});
  endpoint(1)->answer = [](Entry const&) { return answered(500); };
  auto const old = sim.clock().wall();
  append(1);
  sim.advance(1s);
  keys.set(*crypto::KeyRing::make(
      {test_key(1, old - 24h * 10), test_key(2, sim.clock().wall() + 1min)}));
  sim.advance(3min);
  append(1);

  sim.advance(1h);

  ASSERT_THAT(endpoint(1)->got, SizeIs(8));
  std::map<EventId, std::set<std::string>> bodies;
  for (auto const& got : endpoint(1)->got) bodies[got.event].insert(got.body);
  for (auto const& [event, different] : bodies) EXPECT_THAT(different, SizeIs(1));
  EXPECT_EQ(crypto::verify_jwt(endpoint(1)->got[0].body, published())->kid, "kid-1");
  std::set<std::string> kids;
  for (auto const& got : endpoint(1)->got)
    kids.insert(crypto::verify_jwt(got.body, published())->kid);
  EXPECT_EQ(kids, (std::set<std::string>{"kid-1", "kid-2"}));
  EXPECT_THAT(sim.log().lines("payload differs"), SizeIs(0));
}

TEST_F(RendererTest, a_withdrawn_key_signs_no_retry_and_the_difference_is_told) {
  open({signed_stream(1)});
  endpoint(1)->answer = [](Entry const& entry) { return answered(entry.attempt == 1 ? 500 : 200); };
  append(1);
  sim.advance(1s);
  auto const now = sim.clock().wall();
  ASSERT_EQ(stored(1).retries[0].kid, "kid-1");
  auto bad = test_key(1, now - 24h * 10);
  bad.withdrawn = now;
  keys.set(*crypto::KeyRing::make({bad, test_key(2, now)}));

  sim.advance(10min);

  ASSERT_THAT(endpoint(1)->got, SizeIs(2));
  EXPECT_NE(endpoint(1)->got[1].body, endpoint(1)->got[0].body);
  EXPECT_EQ(crypto::verify_jwt(endpoint(1)->got[1].body, published())->kid, "kid-2");
  EXPECT_THAT(sim.log().lines("payload differs"), SizeIs(1));
}

TEST_F(RendererTest, the_cache_stays_within_its_bytes) {
  Renderer renderer(keys, sim.clock(), {.issuer = "me", .bytes = 6000, .threads = 0});
  append(50);
  auto const batch = memory.log().front();

  for (std::uint32_t i = 0; i < 50; ++i)
    ASSERT_TRUE(sim.run(renderer.render({.sign = true}, batch, i)));

  // The newest are there, the oldest are signed again.
  EXPECT_EQ(renderer.signatures().value(), 50);
  EXPECT_TRUE(renderer.at_once({.sign = true}, *batch, 49));
  EXPECT_FALSE(renderer.at_once({.sign = true}, *batch, 0));
  EXPECT_TRUE(sim.run(renderer.render({.sign = true}, batch, 0)));
  EXPECT_EQ(renderer.signatures().value(), 51);
}

io::Task<void> render_into(Renderer& renderer, store::SharedBatch batch, std::uint32_t index,
                           std::vector<SharedRendered>& into) {
  into.push_back(co_await renderer.render({.sign = true}, batch, index));
}

TEST_F(RendererTest, requests_of_one_moment_share_the_signature_of_a_worker) {
  Renderer renderer(keys, sim.clock(), {.issuer = "me", .threads = 2});
  append(3);
  auto const batch = memory.log().front();
  std::vector<SharedRendered> all;

  for (int round = 0; round < 10; ++round)
    for (std::uint32_t i = 0; i < 3; ++i) sim.start(render_into(renderer, batch, i, all));
  sim.run_until([&] { return all.size() == 30; });

  EXPECT_EQ(renderer.signatures().value(), 3);
  std::set<std::string> bodies;
  for (auto const& one : all) bodies.insert(one->body);
  EXPECT_THAT(bodies, SizeIs(3));
}

}  // namespace
}  // namespace millrace::delivery
