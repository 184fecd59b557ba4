#include "crypto/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/jwt.h"
#include "crypto/key_fixture.h"

namespace millrace::crypto {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

WallTime at(std::string_view text) { return parse_time(text).value(); }

TEST(NextRotation, is_the_30th_or_the_last_day_of_a_shorter_month) {
  struct Row {
    std::string_view from, to;
  };
  for (auto const& [from, to] : {Row{"2026-11-21T19:05:12Z", "2026-11-30T00:00:00Z"},
                                 Row{"2026-11-29T23:59:59.999999999Z", "2026-11-30T00:00:00Z"},
                                 Row{"2026-11-30T00:00:00Z", "2026-12-30T00:00:00Z"},
                                 Row{"2026-12-30T00:00:01Z", "2027-01-30T00:00:00Z"},
                                 Row{"2026-12-31T12:00:00Z", "2027-01-30T00:00:00Z"},
                                 Row{"2027-01-31T12:00:00Z", "2027-02-28T00:00:00Z"},
                                 Row{"2027-02-28T00:00:00Z", "2027-03-30T00:00:00Z"},
                                 Row{"2028-01-30T00:00:00Z", "2028-02-29T00:00:00Z"},
                                 Row{"2028-02-28T23:00:00Z", "2028-02-29T00:00:00Z"},
                                 Row{"2100-02-01T00:00:00Z", "2100-02-28T00:00:00Z"}})
    EXPECT_EQ(iso_s(next_rotation(at(from))), to) << from;
}

TEST(MakeKid, is_the_time_and_four_digits) {
  EXPECT_EQ(make_kid(at("2026-11-21T19:05:12.9Z"), 0x3fa), "2026-11-21T19:05:12Z-03fa");
}

struct KeyRingTest : testing::Test {
  SigningKey const key = SigningKey::from_pem(fixture::pem).value();

  RingKey entry(std::string kid, std::string_view from, std::string_view withdrawn = "") const {
    return {std::move(kid), key, at("2026-01-01"), at(from),
            withdrawn.empty() ? std::nullopt : std::optional(at(withdrawn))};
  }
  // Signing since: a August, b September, c October, d November.
  KeyRing ring() const {
    return KeyRing::make({entry("d", "2026-11-30"), entry("a", "2026-08-30"),
                          entry("c", "2026-10-30"), entry("b", "2026-09-30")})
        .value();
  }
  static std::vector<std::string> kids(std::vector<RingKey const*> const& keys) {
    std::vector<std::string> out;
    for (auto const* k : keys) out.push_back(k->kid);
    return out;
  }
};

TEST_F(KeyRingTest, publishes_previous_current_and_next) {
  EXPECT_THAT(kids(ring().published(at("2026-11-21"))), ElementsAre("b", "c", "d"));
  EXPECT_THAT(kids(ring().published(at("2026-10-29T23:59:59Z"))), ElementsAre("a", "b", "c"));
  EXPECT_THAT(kids(ring().published(at("2026-10-30"))), ElementsAre("b", "c", "d"));
}

TEST_F(KeyRingTest, publishes_fewer_at_its_ends) {
  EXPECT_THAT(kids(ring().published(at("2026-08-30"))), ElementsAre("a", "b"));
  EXPECT_THAT(kids(ring().published(at("2026-12-01"))), ElementsAre("c", "d"));
  EXPECT_THAT(kids(ring().published(at("2026-01-01"))),
              ElementsAre("a", "b"));  // a clock that went back
}

TEST_F(KeyRingTest, a_missed_rotation_is_made_up_for_once) {
  EXPECT_FALSE(ring().lacks_next(at("2026-11-29T23:59:59Z")));
  EXPECT_TRUE(ring().lacks_next(at("2026-11-30")));
  EXPECT_TRUE(ring().lacks_next(
      at("2027-05-05")));  // five months down: d signs, and one key is missing, not five

  auto keys = ring().keys();
  keys.push_back(entry("e", iso_s(next_rotation(at("2027-05-05")))));
  auto const made_up = KeyRing::make(std::move(keys)).value();

  EXPECT_FALSE(made_up.lacks_next(at("2027-05-05")));
  EXPECT_THAT(kids(made_up.published(at("2027-05-05"))), ElementsAre("c", "d", "e"));
  EXPECT_EQ(made_up.key_for(at("2027-05-05"), at("2027-05-05")).kid, "d");
}

TEST_F(KeyRingTest, signs_with_the_key_of_the_acceptance_while_it_stays_published_for_a_day) {
  auto const keys = ring();
  auto const accepted_before_rotation = at("2026-10-29T23:50:00Z");  // b signed then

  EXPECT_EQ(keys.key_for(accepted_before_rotation, at("2026-10-29T23:55:00Z")).kid, "b");
  EXPECT_EQ(keys.key_for(accepted_before_rotation, at("2026-10-30T00:10:00Z")).kid,
            "b");  // a retry, with the same bytes
  EXPECT_EQ(keys.key_for(accepted_before_rotation, at("2026-11-28T23:59:59Z")).kid, "b");
  EXPECT_EQ(keys.key_for(accepted_before_rotation, at("2026-11-29T00:00:00Z")).kid,
            "c");  // b leaves the document within 24 h
  EXPECT_EQ(keys.key_for(accepted_before_rotation, at("2026-12-15")).kid, "d");
  EXPECT_EQ(keys.key_for(at("2026-11-01"), at("2026-11-01")).kid, "c");
  EXPECT_EQ(keys.key_for(at("2026-01-01"), at("2026-11-01")).kid, "c");  // older than the ring
  EXPECT_EQ(keys.key_for(at("2026-12-24"), at("2026-11-01")).kid,
            "c");  // from the future: another node's clock
}

TEST_F(KeyRingTest, a_withdrawn_key_neither_signs_nor_is_published) {
  auto const now = at("2026-11-21T10:00:00Z");
  auto const ring_after =
      KeyRing::make({entry("b", "2026-09-30"), entry("c", "2026-10-30", "2026-11-21T10:00:00Z"),
                     entry("d", "2026-11-21T10:00:00Z"), entry("e", "2026-11-30")})
          .value();

  EXPECT_THAT(kids(ring_after.published(now)), ElementsAre("b", "d", "e"));
  EXPECT_EQ(ring_after.key_for(now - 1h, now).kid, "d");  // accepted while c signed
  EXPECT_EQ(ring_after.key_for(now, now).kid, "d");
  EXPECT_NE(ring_after.find("c"), nullptr);  // kept for `verify`
  EXPECT_EQ(ring_after.find("x"), nullptr);
}

TEST_F(KeyRingTest, refuses_rings_that_cannot_sign) {
  EXPECT_FALSE(KeyRing::make({}));
  EXPECT_FALSE(KeyRing::make({entry("a", "2026-01-01", "2026-02-01")}));
  EXPECT_FALSE(KeyRing::make({entry("a", "2026-01-01"), entry("a", "2026-02-01")}));
  EXPECT_FALSE(KeyRing::make({entry("", "2026-01-01")}));
}

TEST_F(KeyRingTest, its_document_verifies_what_its_key_signed) {
  auto const now = at("2026-11-21");
  auto const document = ring().jwks(now);

  auto const keys = parse_jwks(document);
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 3U);
  EXPECT_EQ((*keys)[1].kid, "c");
  EXPECT_TRUE(verify_jwt(sign_jwt(R"({"body":{}})", "c", ring().key_for(now, now).key), *keys));
  EXPECT_THAT(document, testing::StartsWith(R"({"keys":[{"kty":"RSA","e":"AQAB","n":")"));
  EXPECT_THAT(document, testing::HasSubstr(R"("alg":"RS256","use":"sig","kid":"b"})"));
  EXPECT_THAT(document, testing::Not(testing::HasSubstr("\"d\":")));  // no private number
}

}  // namespace
}  // namespace millrace::crypto
