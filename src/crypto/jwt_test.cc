#include "crypto/jwt.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/key_fixture.h"

namespace millrace::crypto {
namespace {

using testing::HasSubstr;

struct JwtTest : testing::Test {
  std::vector<Jwk> const keys =
      parse_jwks(
          fmt::format(
              R"({{"keys":[{{"kty":"RSA","kid":"{}","n":"{}","e":"AQAB","alg":"RS256","use":"sig"}}]}})",
              fixture::kid, fixture::modulus))
          .value();
  SigningKey const key = SigningKey::from_pem(fixture::pem).value();

  // Signed rightly, whatever the header says.
  std::string token_with(std::string_view header, std::string_view claims = "{}") const {
    auto const signed_part = base64url(header) + "." + base64url(claims);
    return signed_part + "." + base64url(key.sign_rs256(signed_part));
  }
  Error refusal(std::string_view token) const {
    auto const result = verify_jwt(token, keys);
    return result ? Error{Fault::io, "accepted"} : result.error();
  }
  std::string good_header() const {
    return fmt::format(R"({{"alg":"RS256","kid":"{}"}})", fixture::kid);
  }
};

TEST_F(JwtTest, verifies_what_openssl_signed) {
  auto const verified = verify_jwt(fixture::token, keys);

  ASSERT_TRUE(verified) << verified.error().what;
  EXPECT_EQ(verified->claims, fixture::claims);
  EXPECT_EQ(verified->kid, fixture::kid);
}

TEST_F(
    JwtTest,
    signs_as_openssl_does) {  // RS256 has no chance in it: the same key and text give the same bytes
  EXPECT_EQ(sign_jwt(fixture::claims, fixture::kid, key), fixture::token);
}

TEST_F(JwtTest, a_verifier_knows_each_set_of_keys_and_each_header_by_itself) {
  auto const other = SigningKey::generate();
  auto const set_of = [](std::string_view kid, SigningKey const& of) {
    return std::make_shared<std::vector<Jwk> const>(std::vector<Jwk>{
        {std::string(kid), PublicKey::from_jwk(of.modulus(), of.exponent()).value(), {}}});
  };
  auto const first = set_of("a", key), second = set_of("a", other), third = set_of("b", key);
  auto const by_key = sign_jwt("{}", "a", key), by_other = sign_jwt("{}", "a", other);
  JwtVerifier verifier;

  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(verifier.verify(by_key, first));
    EXPECT_EQ(verifier.verify(by_other, first).error().fault, Fault::denied);
    EXPECT_EQ(verifier.verify(by_key, second).error().fault, Fault::denied);
    EXPECT_TRUE(verifier.verify(by_other, second));
    EXPECT_EQ(verifier.verify(by_key, third).error().fault, Fault::missing);
    EXPECT_TRUE(verifier.verify(sign_jwt("{}", "b", key), third));
    EXPECT_THAT(verifier.verify(token_with(R"({"alg":"none","kid":"b"})"), third).error().what,
                HasSubstr("alg"));
  }
}

TEST_F(JwtTest, takes_quotes_and_white_space_around) {
  std::string const token(fixture::token);
  for (auto const& form :
       {token + "\n", "  " + token, "\"" + token + "\"", " \"" + token + "\"\r\n"})
    EXPECT_TRUE(verify_jwt(form, keys)) << form;
  EXPECT_FALSE(verify_jwt("\"" + token, keys));
  EXPECT_FALSE(verify_jwt("'" + token + "'", keys));
}

TEST_F(JwtTest, refuses_other_algorithms_even_with_a_good_signature) {
  for (auto const* const alg : {"none", "HS256", "rs256", "RS384", "ES256", ""})
    EXPECT_THAT(
        refusal(token_with(fmt::format(R"({{"alg":"{}","kid":"{}"}})", alg, fixture::kid))).what,
        HasSubstr("alg is not RS256"))
        << alg;
  EXPECT_THAT(refusal(token_with(fmt::format(R"({{"kid":"{}"}})", fixture::kid))).what,
              HasSubstr("alg is not RS256"));
}

TEST_F(JwtTest, refuses_headers_that_say_too_little_or_too_much) {
  EXPECT_THAT(refusal(token_with(R"({"alg":"RS256"})")).what, HasSubstr("no kid"));
  EXPECT_THAT(refusal(token_with(R"({"alg":"RS256","kid":7})")).what, HasSubstr("no kid"));
  EXPECT_THAT(refusal(token_with(fmt::format(R"({{"alg":"RS256","kid":"{}","crit":["b64"]}})",
                                             fixture::kid)))
                  .what,
              HasSubstr("crit"));
  EXPECT_THAT(
      refusal(token_with(fmt::format(R"({{"alg":"none","alg":"RS256","kid":"{}"}})", fixture::kid)))
          .what,
      HasSubstr("twice"));
  EXPECT_THAT(refusal(token_with("[]")).what, HasSubstr("not a JSON object"));
}

TEST_F(JwtTest, tells_an_unknown_key_from_a_wrong_signature) {
  auto const unknown = refusal(token_with(R"({"alg":"RS256","kid":"other\u0007"})"));
  EXPECT_EQ(unknown.fault, Fault::missing);
  EXPECT_THAT(unknown.what, HasSubstr("\"other\\u0007\""));

  std::string token(fixture::token);
  token[token.size() - 9] = token[token.size() - 9] == 'A' ? 'B' : 'A';
  EXPECT_EQ(refusal(token).fault, Fault::denied);

  auto const other = SigningKey::generate();
  EXPECT_EQ(refusal(sign_jwt(fixture::claims, fixture::kid, other)).fault, Fault::denied);
}

TEST_F(JwtTest, refuses_changed_claims) {
  std::string token(fixture::token);
  auto const dot = token.find('.');
  token[dot + 9] = token[dot + 9] == 'A' ? 'B' : 'A';

  EXPECT_EQ(refusal(token).fault, Fault::denied);
}

TEST_F(JwtTest, refuses_what_is_no_compact_jwt) {
  for (std::string const& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"),
        std::string("a.b.c.d"), std::string("\"\""), std::string("{}"),
        std::string(fixture::token) + ".", std::string(3 * 1024 * 1024, 'a'),
        "!" + std::string(fixture::token)})
    EXPECT_EQ(refusal(text).fault, Fault::invalid) << text.substr(0, 40);
  EXPECT_EQ(refusal(base64url(std::string(9000, ' ')) + ".e30.AAAA").fault, Fault::invalid);
  EXPECT_THAT(refusal(token_with(good_header(), "[1]")).what, HasSubstr("claims"));
  EXPECT_THAT(refusal(token_with(good_header(), R"({"iss":"a","iss":"b"})")).what,
              HasSubstr("twice"));
}

TEST(ParseJwks, leaves_out_what_cannot_verify_rs256) {
  auto const entry = [](std::string_view members) {
    return fmt::format(R"({{"n":"{}","e":"AQAB",{}}})", fixture::modulus, members);
  };
  auto const keys = parse_jwks(
      R"({"keys":[)" + entry(R"("kty":"RSA","kid":"a")") + "," +
      entry(R"("kty":"RSA","kid":"b","use":"enc")") + "," + entry(R"("kty":"EC","kid":"c")") + "," +
      entry(R"("kty":"RSA","kid":"d","alg":"RS512")") + "," + entry(R"("kty":"RSA")") +
      R"(,{"kty":"RSA","kid":"e","n":"AQAB","e":"AQAB"},7,{}],"more":1})");

  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ(keys->front().kid, "a");
  EXPECT_EQ(keys->back().kid, "e");
  EXPECT_THAT(keys->back().trouble, HasSubstr("17 bits"));
}

TEST(ParseJwks, reads_padded_numbers) {
  auto const padded = [](std::string_view digits) {
    return std::string(digits) + std::string((4 - digits.size() % 4) % 4, '=');
  };
  auto const keys = parse_jwks(fmt::format(
      R"({{"keys":[{{"kty":"RSA","kid":"a","n":"{}","e":"AQAB"}}]}})", padded(fixture::modulus)));

  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 1U);
  EXPECT_EQ(keys->front().trouble, "");
}

TEST(ParseJwks, refuses_what_is_none_and_what_is_too_large) {
  EXPECT_FALSE(parse_jwks(""));
  EXPECT_FALSE(parse_jwks("[]"));
  EXPECT_FALSE(parse_jwks(R"({"keys":{}})"));
  EXPECT_FALSE(parse_jwks(R"({"keys":[],"pad":")" + std::string(128 * 1024, 'x') + "\"}"));
  std::string many = R"({"keys":[{})";
  for (int i = 0; i < 100; ++i) many += ",{}";
  EXPECT_THAT(parse_jwks(many + "]}").error().what, HasSubstr("101 keys"));
  EXPECT_TRUE(parse_jwks(R"({"keys":[]})")->empty());
}

}  // namespace
}  // namespace millrace::crypto
