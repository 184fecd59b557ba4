#include "http/tls_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "http/tls.h"
#include "http_client/client.h"
#include "http_server/server.h"
#include "testing/certificates.h"
#include "testing/demanding_server.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// One line a fault: "key: holds no ...".
std::vector<std::string> faults_of(TlsSettings const& settings) {
  std::vector<std::string> lines;
  for (auto const& [part, what] : tls_remarks(settings, io::SystemClock().wall()).faults)
    lines.push_back(subject_of(part) + what);
  return lines;
}

std::string locked(std::string const& key_pem) {
  std::unique_ptr<BIO, decltype(&BIO_free)> const in(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())), &BIO_free);
  std::unique_ptr<BIO, decltype(&BIO_free)> const out(BIO_new(BIO_s_mem()), &BIO_free);
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key(
      PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  char phrase[] = "phrase";
  PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), phrase, 6, nullptr,
                                nullptr);
  char* text = nullptr;
  auto const size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

class TlsIdentityTest : public ::testing::Test {
 protected:
  testing::CertificateAuthority authority;
  testing::Certificate one = authority.leaf({.names = {"one"}});
  testing::Certificate other = authority.leaf({.names = {"other"}});
};

TEST_F(TlsIdentityTest, what_fits_has_no_faults) {
  EXPECT_THAT(faults_of({}), IsEmpty());
  EXPECT_THAT(faults_of({.extra_ca = authority.certificate_pem(),
                         .certificate = one.certificate_pem + authority.certificate_pem(),
                         .key = one.key_pem}),
              IsEmpty());
}

TEST_F(TlsIdentityTest, each_part_has_its_fault) {
  EXPECT_THAT(faults_of({.extra_ca = "junk", .certificate = "junk", .key = "junk"}),
              ElementsAre(HasSubstr("certificate authorities: holds no PEM certificate"),
                          HasSubstr("client certificate: holds no PEM certificate"),
                          HasSubstr("key of the client certificate: holds no PEM private key")));
  EXPECT_THAT(faults_of({.certificate = one.certificate_pem}),
              ElementsAre(HasSubstr("is missing: a certificate needs its key")));
  EXPECT_THAT(faults_of({.key = one.key_pem}),
              ElementsAre(HasSubstr("comes without its certificate")));
  EXPECT_THAT(faults_of({.certificate = one.certificate_pem, .key = other.key_pem}),
              ElementsAre(HasSubstr("is not the key of the client certificate")));
  EXPECT_THAT(faults_of({.certificate = one.certificate_pem, .key = locked(one.key_pem)}),
              ElementsAre(HasSubstr("is locked with a pass phrase; give it without one")));
}

TEST_F(TlsIdentityTest, a_damaged_certificate_among_good_ones_is_named) {
  auto damaged = other.certificate_pem;
  damaged.replace(damaged.find('\n') + 1, 8, "AAAAAAAA");
  EXPECT_THAT(faults_of({.extra_ca = authority.certificate_pem() + damaged}),
              ElementsAre(HasSubstr("cannot be read, the 2. of them")));
}

TEST_F(TlsIdentityTest, a_key_beside_a_certificate_is_refused_and_never_repeated) {
  auto const found = faults_of({.extra_ca = authority.certificate_pem() + one.key_pem,
                                .certificate = one.key_pem + one.certificate_pem,
                                .key = one.key_pem});
  EXPECT_THAT(found, ElementsAre(HasSubstr("certificate authorities: holds a private key"),
                                 HasSubstr("client certificate: holds a private key")));
  for (auto const& line : found) EXPECT_THAT(line, Not(HasSubstr(one.key_pem.substr(40, 20))));
}

TEST_F(TlsIdentityTest, what_is_out_of_date_is_a_warning) {
  auto const old = authority.leaf({.names = {"old"}, .valid_from = -48h, .valid_to = -2h});
  auto const early = authority.leaf({.names = {"early"}, .valid_from = 2h});
  auto const now = io::SystemClock().wall();

  auto const of_old = tls_remarks({.certificate = old.certificate_pem, .key = old.key_pem}, now);
  auto const of_early =
      tls_remarks({.certificate = early.certificate_pem, .key = early.key_pem}, now);

  EXPECT_THAT(of_old.faults, IsEmpty());
  ASSERT_EQ(of_old.warnings.size(), 1U);
  EXPECT_EQ(of_old.warnings[0].part, TlsPart::certificate);
  EXPECT_THAT(of_old.warnings[0].what, HasSubstr("expired on 20"));
  ASSERT_EQ(of_early.warnings.size(), 1U);
  EXPECT_THAT(of_early.warnings[0].what, HasSubstr("is not valid before 20"));
}

// ---- against a server that demands a client certificate

class MutualTlsTest : public ::testing::Test {
 protected:
  MutualTlsTest()
      : server(server::serve(testing::loopback_listener(sim.executor()), sim.executor(),
                             {sim.executor()}, yes, sim.clock(), {},
                             testing::demanding_server(receivers.leaf({.addresses = {"127.0.0.1"}}),
                                                       senders.certificate_pem()))),
        client(*make_client(sim.executor(), network, sim.clock(), guard, {})),
        url(*parse_url("https://127.0.0.1:" + std::to_string(server->local().port()) + "/")) {}
  ~MutualTlsTest() override {
    client = nullptr;
    sim.finish(server->drain(sim.clock().now()));
  }
  static io::Task<ServerResponse> yes(ServerRequest) {
    ServerResponse response;
    response.body = "yes";
    co_return response;
  }
  Answer ask(TlsSettings const& settings) {
    auto const tls = make_tls_client(settings);
    check(tls.has_value(), "the settings are good");
    auto const started = sim.start(client->ask({.url = &url, .body = "{}", .tls = *tls}));
    sim.run_until([&] { return started.done(); });
    return started.value();
  }

  io::SystemNetwork network;
  Guard guard = *Guard::make({"127.0.0.0/8"});
  testing::Sim sim;
  testing::CertificateAuthority receivers{"Receivers"}, senders{"Senders"};
  std::unique_ptr<server::Server> server;
  std::unique_ptr<Client> client;
  Url url;
};

TEST_F(MutualTlsTest, a_certificate_of_its_authority_is_let_in_and_others_are_not) {
  auto const ours = senders.leaf({.names = {"millrace"}});
  auto const strange = receivers.leaf({.names = {"stranger"}});
  TlsSettings const with{.extra_ca = receivers.certificate_pem(),
                         .certificate = ours.certificate_pem,
                         .key = ours.key_pem};
  TlsSettings const without{.extra_ca = receivers.certificate_pem()};
  TlsSettings const another{.extra_ca = receivers.certificate_pem(),
                            .certificate = strange.certificate_pem,
                            .key = strange.key_pem};

  EXPECT_EQ(ask(with).status, 200);
  EXPECT_NE(ask(without).trouble, Trouble::none);
  EXPECT_NE(ask(another).trouble, Trouble::none);
  EXPECT_FALSE(ask(with).reused) << "connections of other settings, and of another TlsClient";
}

TEST_F(MutualTlsTest, settings_of_a_base_trust_what_it_trusts) {
  auto const ours = senders.leaf({.names = {"millrace"}});
  testing::CertificateAuthority const more("More");
  auto const base = make_tls_client({.extra_ca = receivers.certificate_pem()});
  ASSERT_TRUE(base);

  auto const answer =
      ask({.certificate = ours.certificate_pem, .key = ours.key_pem, .base = *base});
  auto const with_more = ask({.extra_ca = more.certificate_pem(),
                              .certificate = ours.certificate_pem,
                              .key = ours.key_pem,
                              .base = *base});
  auto const without_base = ask({.extra_ca = more.certificate_pem(),
                                 .certificate = ours.certificate_pem,
                                 .key = ours.key_pem});

  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(with_more.status, 200) << with_more.reason;
  EXPECT_THAT(without_base.reason, HasSubstr("issued by an unknown authority: CN=Receivers"));
}

TEST_F(MutualTlsTest, what_is_added_to_a_base_is_trusted_there_only) {
  auto const ours = senders.leaf({.names = {"millrace"}});
  auto const base = make_tls_client({});
  ASSERT_TRUE(base);

  auto const with = ask({.extra_ca = receivers.certificate_pem(),
                         .certificate = ours.certificate_pem,
                         .key = ours.key_pem,
                         .base = *base});
  auto const without =
      ask({.certificate = ours.certificate_pem, .key = ours.key_pem, .base = *base});

  EXPECT_EQ(with.status, 200) << with.reason;
  EXPECT_EQ(without.trouble, Trouble::tls);
}

}  // namespace
}  // namespace millrace::http::client
