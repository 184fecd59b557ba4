#include <boost/json/serialize.hpp>

#include "api/world_test.h"
#include "testing/certificates.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto all_streams = "/api/v1/data_streams";
constexpr auto years = 24h * 365;  // the clock of the test is not that of the certificates

struct StreamTlsTest : ::testing::Test {
  World world;
  std::string editor = world.token(model::Role::editor, {ours});
  testing::CertificateAuthority authority;
  testing::Certificate one =
      authority.leaf({.names = {"one"}, .valid_from = -20 * years, .valid_to = 50 * years});

  static std::string tls(boost::json::object fields) {
    return boost::json::serialize(
        boost::json::object{{"delivery", boost::json::object{{"tls", std::move(fields)}}}});
  }
  std::string with_identity() {
    return tls({{"ca_certificates", authority.certificate_pem()},
                {"client_certificate", one.certificate_pem},
                {"client_key", one.key_pem}});
  }
  std::string path(std::string const& id, std::string const& more = "") {
    return std::string(all_streams) + "/" + id + more;
  }
  Reply patch(std::string const& id, std::string body) {
    return world.call("PATCH", path(id), editor, std::move(body));
  }
  std::string key_line() const { return one.key_pem.substr(one.key_pem.find('\n') + 1, 40); }
};

TEST_F(StreamTlsTest, an_identity_is_taken_kept_and_shown_without_its_key) {
  auto const id = world.make_stream(editor, stream_body());

  auto const changed = patch(id, with_identity());

  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_THAT(changed.body, HasSubstr(R"("client_key_set":true)"));
  world.restart();
  auto const stored = world.registry->stream(*StreamId::parse(id));
  EXPECT_EQ(stored->delivery.tls.client_key, one.key_pem);
  for (auto const& shown :
       {changed.body, world.call("GET", path(id), editor).body,
        world.call("GET", all_streams, editor).body,
        world.call("GET", path(id, "/health"), editor).body,
        world.call("GET", "/api/v1/audit", world.token(model::Role::owner, {ours})).body})
    EXPECT_THAT(shown, Not(HasSubstr(key_line())));
}

TEST_F(StreamTlsTest, what_is_stored_is_sealed) {
  auto const id = world.make_stream(editor, stream_body());
  ASSERT_EQ(patch(id, with_identity()).status, 200);
  auto const some_base64 = one.certificate_pem.substr(40, 30);
  for (auto const* const collection : {"streams", "audit"})
    for (auto const& record : *world.sim.run(world.store.records(collection))) {
      EXPECT_THAT(record.value, Not(HasSubstr(key_line())));
      EXPECT_THAT(record.value, Not(HasSubstr(some_base64)));
    }
}

TEST_F(StreamTlsTest, the_audit_names_what_changed) {
  auto const id = world.make_stream(editor, stream_body());
  ASSERT_EQ(patch(id, with_identity()).status, 200);
  ASSERT_EQ(patch(id, R"({"rate_limit":2.5})").status, 200);

  auto const audit =
      world.call("GET", "/api/v1/audit", world.token(model::Role::owner, {ours})).body;

  EXPECT_THAT(audit, HasSubstr(R"([{"field":"/rate_limit","from":null,"to":2.5}])"));
  EXPECT_THAT(audit, HasSubstr(R"({"field":"/delivery/tls/client_key"})"));
}

TEST_F(StreamTlsTest, each_fault_has_its_field_beside_all_others) {
  auto const other = authority.leaf({.names = {"other"}});
  auto const id = world.make_stream(editor, stream_body());

  auto const junk = patch(
      id, tls({{"ca_certificates", "junk"}, {"client_certificate", "junk"}, {"client_key", "x"}}));
  auto const mixed =
      patch(id, tls({{"client_certificate", one.certificate_pem}, {"client_key", other.key_pem}}));
  auto const alone = patch(id, tls({{"client_key", one.key_pem}}));
  auto const slipped = patch(id, tls({{"ca_certificates", one.key_pem}}));

  EXPECT_EQ(junk.status, 400);
  EXPECT_THAT(junk.all("errors", "field"),
              ElementsAre("/delivery/tls/ca_certificates", "/delivery/tls/client_certificate",
                          "/delivery/tls/client_key"));
  EXPECT_THAT(mixed.all("errors", "field"), ElementsAre("/delivery/tls/client_key"));
  EXPECT_THAT(mixed.body, HasSubstr("is not the key of the client certificate"));
  EXPECT_THAT(alone.all("errors", "field"), ElementsAre("/delivery/tls/client_certificate"));
  EXPECT_THAT(slipped.body, HasSubstr("holds a private key"));
  EXPECT_THAT(slipped.body, Not(HasSubstr(key_line())));
  EXPECT_THAT(world.lanes.told, ElementsAre("Ally v1 active"));
}

TEST_F(StreamTlsTest, a_key_does_not_follow_a_stream_to_another_address) {
  auto const id = world.make_stream(editor, stream_body());
  ASSERT_EQ(patch(id, R"({"headers":null})").status, 200);
  ASSERT_EQ(patch(id, with_identity()).status, 200);
  constexpr auto elsewhere = R"("url":"https://other.example/")";

  auto const refused = patch(id, fmt::format(R"({{"delivery":{{{}}}}})", elsewhere));
  auto const given_again =
      patch(id, fmt::format(R"({{"delivery":{{{},"tls":{{"client_key":{}}}}}}})", elsewhere,
                            boost::json::serialize(boost::json::string(one.key_pem))));

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"), ElementsAre("/delivery/tls/client_key"));
  EXPECT_EQ(given_again.status, 200) << given_again.body;
}

TEST_F(StreamTlsTest, a_certificate_that_has_expired_is_a_warning) {
  auto const old =
      authority.leaf({.names = {"old"}, .valid_from = -30 * years, .valid_to = -20 * years});
  auto const id = world.make_stream(editor, stream_body());
  ASSERT_EQ(
      patch(id, tls({{"client_certificate", one.certificate_pem}, {"client_key", one.key_pem}}))
          .status,
      200);
  EXPECT_THAT(world.call("GET", path(id, "/health"), editor).body, HasSubstr(R"("warnings":[])"));

  auto const taken =
      patch(id, tls({{"client_certificate", old.certificate_pem}, {"client_key", old.key_pem}}));

  EXPECT_EQ(taken.status, 200) << taken.body;
  EXPECT_THAT(world.call("GET", path(id, "/health"), editor).body,
              HasSubstr(R"("warnings":["client certificate: expired on )"));
}

TEST_F(StreamTlsTest, health_says_whether_the_limit_holds_it) {
  auto const id = world.make_stream(editor, stream_body());
  EXPECT_THAT(world.call("GET", path(id, "/health"), editor).body,
              HasSubstr(R"("rate_limited":false)"));
  world.dispatcher.state.rate_limited = true;
  EXPECT_THAT(world.call("GET", path(id, "/health"), editor).body,
              HasSubstr(R"("rate_limited":true)"));
}

}  // namespace
}  // namespace millrace::api
