#include "crypto/rsa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/key_fixture.h"

namespace millrace::crypto {
namespace {

using testing::HasSubstr;

TEST(SigningKey, reads_a_key_of_openssl_and_writes_it_again) {
  auto const key = SigningKey::from_pem(fixture::pem);

  ASSERT_TRUE(key);
  EXPECT_EQ(key->modulus(), fixture::modulus);
  EXPECT_EQ(key->exponent(), "AQAB");
  auto const again = SigningKey::from_pem(key->to_pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->modulus(), key->modulus());
}

TEST(SigningKey, signs_what_its_public_half_verifies) {
  auto const key = SigningKey::generate();
  auto const half = PublicKey::from_jwk(key.modulus(), key.exponent());
  ASSERT_TRUE(half);

  auto const signature = key.sign_rs256("text");

  EXPECT_EQ(signature.size(), 256U);
  EXPECT_TRUE(half->verify_rs256("text", signature));
  EXPECT_FALSE(half->verify_rs256("Text", signature));
  EXPECT_FALSE(half->verify_rs256("text", signature.substr(1)));
  EXPECT_FALSE(half->verify_rs256("text", ""));
  EXPECT_FALSE(half->verify_rs256("text", signature + "x"));
  EXPECT_FALSE(PublicKey::from_jwk(fixture::modulus, "AQAB")->verify_rs256("text", signature));
}

TEST(SigningKey, refuses_what_is_not_an_rsa_2048_key) {
  EXPECT_THAT(SigningKey::from_pem("").error().what, HasSubstr("not a private key"));
  EXPECT_THAT(SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                  .error()
                  .what,
              HasSubstr("not a private key"));
  EXPECT_THAT(SigningKey::from_pem(fixture::small_pem).error().what, HasSubstr("1024 bits"));
  EXPECT_THAT(SigningKey::from_pem(fixture::curve_pem).error().what, HasSubstr("not an RSA key"));
  EXPECT_FALSE(SigningKey::from_pem(std::string(100'000, 'x')));
}

TEST(PublicKey, refuses_numbers_that_make_no_safe_key) {
  std::string const small = base64url("\x81" + std::string(127, '\x11'));
  EXPECT_THAT(PublicKey::from_jwk(small, "AQAB").error().what, HasSubstr("1024 bits"));
  EXPECT_FALSE(PublicKey::from_jwk(fixture::modulus, "AQ"));    // e = 1: everything would verify
  EXPECT_FALSE(PublicKey::from_jwk(fixture::modulus, "AQAA"));  // even
  EXPECT_FALSE(PublicKey::from_jwk(fixture::modulus, ""));
  EXPECT_FALSE(PublicKey::from_jwk("", "AQAB"));
  EXPECT_FALSE(PublicKey::from_jwk("not base64!", "AQAB"));
  EXPECT_FALSE(PublicKey::from_jwk(base64url(std::string(1025, '\xFF')), "AQAB"));
  EXPECT_FALSE(PublicKey::from_jwk(std::string(1'000'000, 'A'), "AQAB"));
}

}  // namespace
}  // namespace millrace::crypto
