#include "server/admission.h"

#include <gmock/gmock.h>

#include "crypto/sigv4.h"
#include "testing/sim.h"

namespace millrace::server {
namespace {

constexpr std::size_t mib = 1024 * 1024;

class FewCredentials final : public model::Credentials {
 public:
  std::optional<model::Principal> token(std::string_view bearer) const override {
    if (bearer != "secret") return std::nullopt;
    model::Principal who;
    who.id = "T1";
    return who;
  }
  std::optional<model::AccessKey> access_key(std::string_view id) const override {
    if (id != "AKIA1" && id != "AKIA2") return std::nullopt;
    model::AccessKey key;
    key.access_key_id = id;
    return key;
  }
};

class AdmissionTest : public ::testing::Test {
 protected:
  http::server::BodyShare share(std::string const& authorization, Duration age = {},
                                bool any_signature = false) {
    http::ServerRequest request;
    if (!authorization.empty()) request.headers.push_back({"authorization", authorization});
    auto const at = std::chrono::time_point_cast<WallTime::duration>(sim.clock().wall() - age);
    request.headers.push_back({"X-Amz-Date", crypto::amz_stamp(at)});
    return admit_by_credentials(credentials, sim.clock(), 512 * mib, any_signature)(request);
  }
  static std::string signature(std::string const& key) {
    return "AWS4-HMAC-SHA256 Credential=" + key +
           "/20261118/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00";
  }

  testing::Sim sim;
  FewCredentials credentials;
};

TEST_F(AdmissionTest, who_shows_nothing_true_is_a_stranger) {
  for (auto const& shown :
       {std::string(), std::string("Bearer wrong"), std::string("Bearer "), std::string("Basic x"),
        signature("AKIA3"), signature(""), std::string("AWS4-HMAC-SHA256 Credential="),
        std::string("Credential=AKIA1/x")}) {
    auto const got = share(shown);
    EXPECT_EQ(got.kind, "stranger") << shown;
    EXPECT_EQ(got.bytes, 32 * mib);
    EXPECT_EQ(got.bodies, 64U);
    EXPECT_EQ(got.patience, Duration::zero());
  }
}

TEST_F(AdmissionTest, each_token_and_each_key_has_a_share_of_its_own) {
  EXPECT_EQ(share("Bearer secret").name, "token T1");
  EXPECT_EQ(share(signature("AKIA1")).name, "key AKIA1");
  EXPECT_EQ(share(signature("AKIA2")).name, "key AKIA2");
  EXPECT_EQ(share(signature("AKIA2")).bytes, 128 * mib);
  EXPECT_EQ(share("Bearer secret").bytes, 128 * mib);
}

TEST_F(AdmissionTest, a_key_counts_with_a_date_of_now) {
  using namespace std::chrono_literals;
  EXPECT_EQ(share(signature("AKIA1"), 4min).kind, "key");
  EXPECT_EQ(share(signature("AKIA1"), -4min).kind, "key");
  EXPECT_EQ(share(signature("AKIA1"), 6min).kind, "stranger");
  EXPECT_EQ(share(signature("AKIA1"), -6min).kind, "stranger");
}

TEST_F(AdmissionTest, keys_that_nobody_checks_share_one) {
  EXPECT_EQ(share(signature("made-up"), {}, true).name, share(signature("other"), {}, true).name);
  EXPECT_EQ(share("", {}, true).kind, "stranger");
}

}  // namespace
}  // namespace millrace::server
