#include "crypto/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/digest.h"

namespace millrace::crypto {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

constexpr std::string_view empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

WallTime at(std::string_view text) { return parse_time(text).value(); }

std::string authorization_of(std::vector<std::pair<std::string, std::string>> const& headers) {
  for (auto const& [name, value] : headers)
    if (name == "authorization") return value;
  return "";
}

// The worked examples of AWS's own documentation ("Signature Version 4", and "Examples: Signature Calculations" of S3).

TEST(SignV4, gives_the_signature_of_the_iam_example) {
  AwsRequest const request{"GET",
                           "/",
                           "Action=ListUsers&Version=2010-05-08",
                           {{"host", "iam.amazonaws.com"},
                            {"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
                           ""};

  auto const added =
      sign_v4(request, {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""}, "us-east-1",
              "iam", at("2015-08-30T12:36:00Z"));

  EXPECT_EQ(authorization_of(added),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SignV4, gives_the_signatures_of_the_s3_examples) {
  AwsCredentials const credentials{"AKIAIOSFODNN7EXAMPLE",
                                   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
  auto const signature = [&](AwsRequest const& request) {
    auto const text = authorization_of(
        sign_v4(request, credentials, "us-east-1", "s3", at("2013-05-24T00:00:00Z"), true));
    return text.substr(text.find("Signature=") + 10);
  };
  std::string_view const host = "examplebucket.s3.amazonaws.com";

  EXPECT_EQ(
      signature({"GET",
                 "/test.txt",
                 "",
                 {{"Host", host}, {"Range", "bytes=0-9"}, {"x-amz-content-sha256", empty_hash}},
                 ""}),
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  std::string_view const body = "Welcome to Amazon S3.";
  auto const hash = sha256_hex(body);
  EXPECT_EQ(signature({"PUT",
                       "/test%24file.text",
                       "",
                       {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                        {"Host", host},
                        {"x-amz-content-sha256", hash},
                        {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                       body}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(
      signature(
          {"GET", "/", "lifecycle", {{"Host", host}, {"x-amz-content-sha256", empty_hash}}, ""}),
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(signature({"GET",
                       "/",
                       "max-keys=2&prefix=J",
                       {{"Host", host}, {"x-amz-content-sha256", empty_hash}},
                       ""}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(CanonicalRequest, follows_the_rules_for_paths) {
  auto const path = [](std::string_view sent, PathForm form) {
    auto const text = canonical_request({"GET", sent, "", {}, ""}, {}, "", form);
    return text.substr(4, text.find('\n', 4) - 4);
  };

  EXPECT_EQ(path("", PathForm::normalized), "/");
  EXPECT_EQ(path("/a/../..//./b/", PathForm::normalized), "/b/");
  EXPECT_EQ(path("/a/../..//./b/", PathForm::as_sent), "/a/../..//./b/");
  EXPECT_EQ(path("/a%20b", PathForm::normalized), "/a%2520b");
  EXPECT_EQ(path("/a%20b//c", PathForm::once), "/a%20b//c");
  EXPECT_EQ(path("/year=2026/\xC3\xA9:x%2", PathForm::once), "/year%3D2026/%C3%A9%3Ax%252");
}

TEST(CanonicalRequest, follows_the_rules_for_queries_and_headers) {
  AwsRequest const request{"GET",
                           "/",
                           "b=2&a=3&uploads&a=1&&c=%7E+",
                           {{"X-B", "  two   words\t here "}, {"x-a", "1"}, {"X-A", "2"}},
                           ""};

  EXPECT_EQ(canonical_request(request, {"x-a", "x-b"}, "HASH", PathForm::normalized),
            "GET\n/\na=1&a=3&b=2&c=~%2B&uploads=\nx-a:1,2\nx-b:two words here\n\nx-a;x-b\nHASH");
}

// A PutRecords as the AWS SDK for Ruby forms it; its signature was computed apart from this code (Python's hmac).
struct SignedRequest {
  std::string body =
      R"({"StreamName":"live-events","Records":[{"Data":"eyJ9","PartitionKey":"7"}]})";
  std::string authorization =
      "AWS4-HMAC-SHA256 "
      "Credential=AKIAIOSFODNN7EXAMPLE/20261121/eu-central-1/kinesis/aws4_request, "
      "SignedHeaders=amz-sdk-invocation-id;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-"
      "target, "
      "Signature=8b615508cc292b570a2acdd2b2da6b145253096ac86ba42557e0447aa6ab243f";
  std::vector<std::pair<std::string_view, std::string_view>> headers{
      {"Content-Type", "application/x-amz-json-1.1"},
      {"Accept-Encoding", ""},
      {"Amz-Sdk-Invocation-Id", "5e4f7d7e-9a0b-4d9e-8f1c-0a1b2c3d4e5f"},
      {"X-Amz-Target", "Kinesis_20131202.PutRecords"},
      {"Host", "millrace.example.edu:8080"},
      {"X-Amz-Date", "20261121T190512Z"},
      {"X-Amz-Content-Sha256", "0a7ea3865defab19ace71158d490f501b050629ed142d20d8d722213e905ec52"}};
  WallTime now = at("2026-11-21T19:05:12Z");

  std::expected<VerifiedSignature, SignatureFault> verify(std::optional<WallTime> clock) const {
    AwsRequest request{"POST", "/", "", headers, body};
    if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    return verify_v4(
        request,
        [](std::string_view id) -> std::optional<std::string> {
          return id == "AKIAIOSFODNN7EXAMPLE"
                     ? std::optional<std::string>("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
                     : std::nullopt;
        },
        clock);
  }
  SignatureFault refusal() const {
    auto const result = verify(now);
    return result ? SignatureFault{SignatureTrouble::missing, "accepted"} : result.error();
  }
  void set(std::string_view name, std::string_view value) {
    for (auto& header : headers)
      if (header.first == name) header.second = value;
  }
  void drop(std::string_view name) {
    std::erase_if(headers, [name](auto const& header) { return header.first == name; });
  }
};

struct VerifyV4 : testing::Test, SignedRequest {};

TEST_F(VerifyV4, accepts_a_good_signature) {
  auto const verified = verify(now);

  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->access_key_id, "AKIAIOSFODNN7EXAMPLE");
  EXPECT_EQ(verified->region, "eu-central-1");
  EXPECT_EQ(verified->service, "kinesis");
}

TEST_F(VerifyV4, allows_five_minutes_of_skew) {
  EXPECT_TRUE(verify(now + 5min));
  EXPECT_TRUE(verify(now - 5min));
  EXPECT_TRUE(verify(std::nullopt));
  auto const late = verify(now + 5min + 1s), early = verify(now - 5min - 1s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().trouble, SignatureTrouble::expired);
  EXPECT_EQ(late.error().message,
            "Signature expired: 20261121T190512Z is now earlier than 20261121T190513Z "
            "(20261121T191013Z - 5 min.)");
  ASSERT_FALSE(early);
  EXPECT_THAT(early.error().message,
              StartsWith("Signature not yet current: 20261121T190512Z is still later than"));
}

TEST_F(VerifyV4, notices_every_change_of_what_is_signed) {
  EXPECT_NE(refusal().message, "");
  {
    SignedRequest other = *this;
    other.body += ' ';
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::mismatch);
  }
  for (auto const* const name :
       {"Content-Type", "Amz-Sdk-Invocation-Id", "X-Amz-Target", "Host", "X-Amz-Content-Sha256"}) {
    SignedRequest other = *this;
    other.set(name, "changed");
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::mismatch) << name;
    EXPECT_THAT(other.refusal().message,
                StartsWith("The request signature we calculated does not match"))
        << name;
  }
  SignedRequest other = *this;
  other.headers.emplace_back("Host", "another.example.edu");
  EXPECT_EQ(other.refusal().trouble, SignatureTrouble::mismatch);
  EXPECT_TRUE(other.refusal().differs);
}

TEST_F(VerifyV4, does_not_mind_what_is_not_signed) {
  set("Accept-Encoding", "gzip");
  headers.emplace_back("User-Agent", "aws-sdk-ruby3");

  EXPECT_TRUE(verify(now));
}

TEST_F(VerifyV4, wants_what_decides_to_be_signed) {
  headers.emplace_back("X-Amz-Target", "Kinesis_20131202.PutRecord");  // joins the signed one
  EXPECT_EQ(refusal().trouble, SignatureTrouble::mismatch);

  AwsRequest const bare{"POST", "/", "", {{"host", "h"}}, ""};
  auto const added = sign_v4(bare, {"AKIAIOSFODNN7EXAMPLE", "s", ""}, "r", "kinesis", now);
  AwsRequest sent = bare;
  for (auto const& [name, value] : added) sent.headers.emplace_back(name, value);
  auto const secret = [](std::string_view) { return std::optional<std::string>("s"); };
  EXPECT_TRUE(verify_v4(sent, secret, now));
  sent.headers.emplace_back("x-amz-target", "Kinesis_20131202.PutRecords");
  auto const unsigned_target = verify_v4(sent, secret, now);
  ASSERT_FALSE(unsigned_target);
  EXPECT_EQ(unsigned_target.error().message,
            "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.");
}

TEST_F(VerifyV4, words_its_refusals_as_aws_does) {
  {
    SignedRequest other = *this;
    other.authorization.clear();
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::missing);
    EXPECT_EQ(other.refusal().message, "Missing Authentication Token");
  }
  {
    SignedRequest other = *this;
    other.authorization = "AWS4-HMAC-SHA256 foo";
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::incomplete);
    EXPECT_EQ(other.refusal().message,
              "Authorization header requires 'Credential' parameter. Authorization header requires "
              "'Signature' parameter. "
              "Authorization header requires 'SignedHeaders' parameter. "
              "Authorization=AWS4-HMAC-SHA256 foo");
  }
  {
    SignedRequest other = *this;
    other.drop("X-Amz-Date");
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::incomplete);
    EXPECT_THAT(other.refusal().message,
                StartsWith("Authorization header requires existence of either a 'X-Amz-Date' or a "
                           "'Date' header. Authorization=AWS4"));
  }
  {
    SignedRequest other = *this;
    other.set("X-Amz-Date", "yesterday");
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::incomplete);
    EXPECT_THAT(other.refusal().message,
                StartsWith("Date must be in ISO-8601 'basic format'. Got 'yesterday'"));
  }
  {
    SignedRequest other = *this;
    other.authorization.replace(other.authorization.find("AKIA"), 4, "AKIB");
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::unknown_key);
    EXPECT_EQ(other.refusal().message, "The security token included in the request is invalid.");
  }
  for (auto const* const scope :
       {"/20261121/eu-central-1/kinesis/aws3_request", "/20261121/kinesis/aws4_request",
        "//20261121/eu-central-1/kinesis/aws4_request"}) {
    SignedRequest other = *this;
    other.authorization.replace(
        other.authorization.find("/2026"),
        std::string_view("/20261121/eu-central-1/kinesis/aws4_request").size(), scope);
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::incomplete);
    EXPECT_THAT(other.refusal().message,
                StartsWith("Credential must have exactly 5 slash-delimited elements"));
  }
  SignedRequest other = *this;
  other.authorization.replace(other.authorization.find("20261121"), 8, "20261122");
  EXPECT_THAT(other.refusal().message, HasSubstr("'20261122' != '20261121'"));
}

TEST_F(VerifyV4, refuses_other_schemes) {
  for (auto const* const text : {"Basic Zm9v", "AWS4-HMAC-SHA256X Credential=a",
                                 "AWS4-ECDSA-P256-SHA256 Credential=a", "x"}) {
    SignedRequest other = *this;
    other.authorization = text;
    EXPECT_EQ(other.refusal().trouble, SignatureTrouble::incomplete) << text;
  }
}

TEST(VerifyV4Round, verifies_what_it_signed) {
  auto const now = at("2026-11-21T19:05:12Z");
  for (auto const* const service : {"kinesis", "sqs", "s3"}) {
    std::string const body = "body of any kind";
    AwsRequest request{
        "PUT", "/b//c/./d%20e", "x=1&a=%20", {{"host", "h:1"}, {"x-amz-acl", " private  "}}, body};
    auto const added = sign_v4(request, {"ID", "secret", "token"}, "eu-west-1", service, now,
                               std::string_view(service) == "s3");
    for (auto const& [name, value] : added) request.headers.emplace_back(name, value);

    auto const verified = verify_v4(
        request, [](std::string_view) { return std::optional<std::string>("secret"); }, now);

    EXPECT_TRUE(verified) << service;
    EXPECT_THAT(authorization_of(added), HasSubstr("x-amz-security-token"));
  }
}

// As AWS's JavaScript SDK v3 signs for HTTP/2; the signature is made by other means, step by step.
TEST(VerifyV4Authority, is_what_came_as_host) {
  std::string const body = R"({"StreamName":"live-events","Limit":1})";
  AwsRequest request{
      "POST",
      "/",
      "",
      {{"Host", "127.0.0.1:8080"},
       {"content-type", "application/x-amz-json-1.1"},
       {"x-amz-content-sha256", "6824ddf45772cb0ac6b83347ca0bc11512ad0bcbf83e3ecf42055bad88476521"},
       {"x-amz-date", "20261121T190000Z"},
       {"x-amz-target", "Kinesis_20131202.DescribeStream"},
       {"authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/kinesis/aws4_request, "
        "SignedHeaders=:authority;content-type;x-amz-content-sha256;x-amz-date;x-amz-target, "
        "Signature=ac7559a33590babcde12137c671b51968e833ba430368b291761ea4266ac6420"}},
      body};
  auto const verify = [&] {
    return verify_v4(
        request,
        [](std::string_view) {
          return std::optional<std::string>("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        },
        at("2026-11-21T19:00:01Z"));
  };

  auto const verified = verify();
  EXPECT_TRUE(verified) << verified.error().message;

  request.headers.front().second = "other:8080";
  EXPECT_FALSE(verify());
}

// A request with this x-amz-content-sha256, signed over `payload` by its own signature; then `body` is what arrives.
std::expected<VerifiedSignature, SignatureFault> verify_with(std::string_view header,
                                                             std::string_view service,
                                                             std::string_view body) {
  auto const now = at("2026-11-21T19:05:12Z");
  AwsRequest request{
      "POST", "/", "", {{"host", "h"}, {"x-amz-content-sha256", header}}, "the body"};
  auto const added = sign_v4(request, {"ID", "s", ""}, "r", service, now);
  for (auto const& [name, value] : added) request.headers.emplace_back(name, value);
  request.body = body;
  return verify_v4(request, [](std::string_view) { return std::optional<std::string>("s"); }, now);
}

TEST(VerifyV4Payload, is_the_bodys_hash_where_the_header_is_empty) {
  auto const verified = verify_with("", "kinesis", "the body");

  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->body_hash, sha256("the body"));
  EXPECT_FALSE(verify_with("", "kinesis", "another body"));
}

TEST(VerifyV4Payload, is_never_what_a_header_claims) {
  auto const hash = sha256_hex("the body");
  std::string upper = hash;
  for (auto& c : upper)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');

  EXPECT_TRUE(verify_with(hash, "kinesis", "the body"));
  EXPECT_TRUE(verify_with(upper, "kinesis", "the body"));
  for (std::string const& claimed :
       {hash, sha256_hex("another body"), std::string("UNSIGNED-PAYLOAD"), std::string("x"),
        std::string("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")}) {
    EXPECT_FALSE(verify_with(claimed, "kinesis", "changed")) << claimed;
    if (claimed == hash) continue;
    auto const refused = verify_with(claimed, "kinesis", "the body");
    ASSERT_FALSE(refused) << claimed;
    EXPECT_EQ(refused.error().trouble, SignatureTrouble::mismatch);
    EXPECT_FALSE(refused.error().differs);
    EXPECT_THAT(refused.error().message, HasSubstr("x-amz-content-sha256 is"));
  }
}

TEST(VerifyV4Payload, may_be_unsigned_for_s3_alone) {
  auto const verified = verify_with("UNSIGNED-PAYLOAD", "s3", "any body");

  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->body_hash, "");
  EXPECT_FALSE(verify_with("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "s3", "the body"));
}

}  // namespace
}  // namespace millrace::crypto
