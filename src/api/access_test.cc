#include "api/world_test.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;
using model::Role;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

struct AccessTest : ::testing::Test {
  World world;
  std::string owner = world.token(Role::owner, {"*"});
  std::string ours_owner = world.token(Role::owner, {ours});

  Reply make_token(std::string const& by, std::string const& accounts,
                   std::vector<http::Header> headers = {}) {
    return world.call("POST", "/api/v1/tokens", by,
                      R"({"name":"sis","role":"producer","accounts":)" + accounts + "}",
                      std::move(headers));
  }
};

TEST_F(AccessTest, a_made_token_works_until_it_is_revoked) {
  auto const made = make_token(owner, R"([")" + std::string(ours) + R"("])");
  ASSERT_EQ(made.status, 201) << made.body;
  auto const secret = made.text("token");
  ASSERT_TRUE(world.registry->token(secret));
  EXPECT_EQ(world.registry->token(secret)->role, Role::producer);

  EXPECT_EQ(world.call("DELETE", "/api/v1/tokens/" + made.text("id"), ours_owner).status, 204);

  EXPECT_FALSE(world.registry->token(secret));
  EXPECT_EQ(world.call("GET", "/api/v1/data_streams", secret).status, 401);
  EXPECT_EQ(world.call("DELETE", "/api/v1/tokens/" + made.text("id"), ours_owner).status, 409);
  EXPECT_THAT(world.call("GET", "/api/v1/tokens", ours_owner).body, Not(HasSubstr(secret)));
}

TEST_F(AccessTest, a_credential_reaches_no_further_than_its_maker) {
  EXPECT_EQ(make_token(ours_owner, R"(["*"])").status, 400);
  EXPECT_EQ(make_token(ours_owner, R"([")" + std::string(theirs) + R"("])").status, 400);
  EXPECT_EQ(world.call("POST", "/api/v1/access_keys", ours_owner, R"({"accounts":["*"]})").status,
            400);
  EXPECT_EQ(make_token(ours_owner, R"([")" + std::string(ours) + R"("])").status, 201);
}

// One that is good for others too is not an account owner's to see or to end.
TEST_F(AccessTest, a_token_of_more_accounts_is_behind_the_wall) {
  auto const both =
      make_token(owner, R"([")" + std::string(ours) + R"(",")" + theirs + R"("])").text("id");

  EXPECT_EQ(world.call("DELETE", "/api/v1/tokens/" + both, ours_owner).status, 404);
  EXPECT_THAT(world.call("GET", "/api/v1/tokens", ours_owner).all("items", "id"),
              Not(::testing::Contains(both)));
  EXPECT_THAT(world.call("GET", "/api/v1/tokens", owner).all("items", "id"),
              ::testing::Contains(both));
}

TEST_F(AccessTest, all_faults_of_a_token_are_told_at_once) {
  auto const refused = world.call("POST", "/api/v1/tokens", owner,
                                  R"({"name":"","role":"king","accounts":[],"colour":1})");

  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.all("errors", "field"),
              UnorderedElementsAre("/name", "/role", "/accounts", "/colour"));
  EXPECT_THAT(world.call("POST", "/api/v1/tokens", owner, "{}").all("errors", "field"),
              UnorderedElementsAre("/name", "/role", "/accounts"));
}

TEST_F(AccessTest, a_repeated_making_of_a_token_makes_no_second) {
  auto const first = make_token(owner, R"(["*"])", {{"Idempotency-Key", "t"}});
  auto const count = world.registry->tokens().size();
  auto const repeat = make_token(owner, R"(["*"])", {{"Idempotency-Key", "t"}});

  EXPECT_EQ(repeat.status, 409);
  EXPECT_THAT(repeat.text("detail"), HasSubstr(first.text("id")));
  EXPECT_EQ(world.registry->tokens().size(), count);
}

TEST_F(AccessTest, a_made_access_key_signs_until_it_is_revoked) {
  auto const made = world.call("POST", "/api/v1/access_keys", ours_owner,
                               R"({"accounts":[")" + std::string(ours) + R"("]})");
  ASSERT_EQ(made.status, 201) << made.body;
  auto const id = made.text("access_key_id");
  ASSERT_TRUE(world.registry->access_key(id));
  EXPECT_EQ(world.registry->access_key(id)->secret_access_key, made.text("secret_access_key"));
  EXPECT_THAT(world.call("GET", "/api/v1/access_keys", ours_owner).all("items", "access_key_id"),
              ElementsAre(id));

  EXPECT_EQ(world.call("DELETE", "/api/v1/access_keys/" + id, ours_owner).status, 204);
  EXPECT_FALSE(world.registry->access_key(id));
}

TEST_F(AccessTest, a_pair_that_producers_have_can_be_given) {
  auto const body =
      R"({"accounts":["*"],"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"a/given+secret"})";

  EXPECT_EQ(world.call("POST", "/api/v1/access_keys", owner, body).status, 201);
  EXPECT_EQ(world.registry->access_key("AKIAIOSFODNN7EXAMPLE")->secret_access_key,
            "a/given+secret");
  EXPECT_EQ(world.call("POST", "/api/v1/access_keys", owner, body).status, 409);
  auto const foreign = world.call("POST", "/api/v1/access_keys", ours_owner,
                                  R"({"accounts":[")" + std::string(ours) +
                                      R"("],"access_key_id":"A","secret_access_key":"12345678"})");
  EXPECT_THAT(foreign.all("errors", "field"), ElementsAre("/access_key_id"));
  auto const half = world.call("POST", "/api/v1/access_keys", owner,
                               R"({"accounts":["*"],"access_key_id":"A B"})");
  EXPECT_THAT(half.all("errors", "field"),
              UnorderedElementsAre("/secret_access_key", "/access_key_id"));
}

TEST_F(AccessTest, the_audit_log_has_each_change_within_its_wall) {
  auto const editor = world.token(Role::editor, {ours});
  world.sim.advance(1s);
  auto const id = world.make_stream(editor, stream_body());
  world.sim.advance(1s);
  world.call("PATCH", "/api/v1/data_streams/" + id, editor, R"({"name":"B"})");
  world.sim.advance(1s);
  world.make_stream(owner, stream_body(theirs));

  auto const lines = world.call("GET", "/api/v1/audit?limit=2", ours_owner);
  EXPECT_THAT(lines.all("items", "action"),
              ElementsAre("data_streams.update", "data_streams.create"));
  EXPECT_THAT(lines.all("items", "object"), ElementsAre(id, id));
  auto const more =
      world.call("GET", "/api/v1/audit?limit=1000&after=" + lines.text("next"), ours_owner);
  for (auto const& action : more.all("items", "action")) EXPECT_EQ(action, "tokens.create");
  EXPECT_EQ(world.call("GET", "/api/v1/audit", editor).status, 403);
  EXPECT_THAT(world.call("GET", "/api/v1/audit", owner).body, HasSubstr(theirs));
}

TEST_F(AccessTest, the_last_owner_of_every_account_is_not_revoked) {
  auto const list = world.call("GET", "/api/v1/tokens", owner).json().at("items").as_array();
  std::vector<std::string> owners;
  for (auto const& item : list)
    if (item.as_object().at("role") == "owner" &&
        item.as_object().at("accounts").as_array()[0] == "*")
      owners.emplace_back(item.as_object().at("id").as_string());
  ASSERT_FALSE(owners.empty());
  auto const last = owners.back();
  for (auto const& id : owners)
    if (id != last) {
      EXPECT_TRUE(world.sim.run(world.registry->revoke_token(id, world.root)));
    }

  auto const refused = world.sim.run(world.registry->revoke_token(last, world.root));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::conflict);
  EXPECT_THAT(refused.error().what, HasSubstr("last one that owns every account"));
  auto const another = world.token(Role::owner, {"*"});
  EXPECT_TRUE(world.sim.run(world.registry->revoke_token(last, world.root)));
  EXPECT_EQ(world.call("GET", "/api/v1/tokens", another).status, 200);
}

TEST_F(AccessTest, of_two_owners_who_revoke_each_other_one_stays) {
  World fresh;
  auto const a = *fresh.sim.run(fresh.registry->add_token("a", Role::owner, {"*"}, fresh.root));
  auto const b = *fresh.sim.run(fresh.registry->add_token("b", Role::owner, {"*"}, fresh.root));

  auto const first = fresh.sim.start(fresh.registry->revoke_token(a.record.id, fresh.root));
  auto const second = fresh.sim.start(fresh.registry->revoke_token(b.record.id, fresh.root));
  fresh.sim.settle();

  EXPECT_NE(first.value().has_value(), second.value().has_value());
  EXPECT_NE(fresh.registry->token(a.secret).has_value(),
            fresh.registry->token(b.secret).has_value());
}

TEST_F(AccessTest, an_owner_that_has_ended_does_not_count) {
  World fresh;
  auto const a = *fresh.sim.run(fresh.registry->add_token("a", Role::owner, {"*"}, fresh.root));
  static_cast<void>(
      fresh.sim.run(fresh.registry->add_token("b", Role::owner, {"*"}, fresh.root, std::nullopt,
                                              fresh.sim.clock().wall() + std::chrono::hours(1))));
  fresh.sim.advance(std::chrono::hours(1));

  EXPECT_FALSE(fresh.sim.run(fresh.registry->revoke_token(a.record.id, fresh.root)));
}

TEST_F(AccessTest, a_token_ends_when_it_was_said_and_shows_its_last_use_to_the_hour) {
  auto const end = iso_ms(world.sim.clock().wall() + std::chrono::hours(5));
  auto const made =
      world.call("POST", "/api/v1/tokens", owner,
                 R"({"name":"t","role":"viewer","accounts":["*"],"expires_at":")" + end + R"("})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.text("expires_at"), end);
  EXPECT_THAT(made.body, HasSubstr("it is good for every account"));
  auto const secret = made.text("token");
  auto const last_use = [&] {
    for (auto const& token : world.registry->tokens())
      if (token.id == made.text("id")) return token.last_used_at;
    return std::optional<WallTime>();
  };
  EXPECT_FALSE(last_use());

  EXPECT_TRUE(world.registry->token(secret));
  auto const first = last_use();
  ASSERT_TRUE(first);
  ASSERT_TRUE(world.sim.run(world.registry->store_uses()));
  world.sim.advance(std::chrono::minutes(59));
  EXPECT_TRUE(world.registry->token(secret));
  EXPECT_EQ(last_use(), first);
  world.restart();
  EXPECT_EQ(last_use(), first);
  world.sim.advance(std::chrono::minutes(1));
  EXPECT_TRUE(world.registry->token(secret));
  EXPECT_NE(last_use(), first);

  world.sim.advance(std::chrono::hours(4));
  EXPECT_FALSE(world.registry->token(secret));
  EXPECT_EQ(world.call("GET", "/api/v1/accounts", secret).status, 401);
  EXPECT_EQ(
      world
          .call("POST", "/api/v1/tokens", owner,
                R"({"name":"t","role":"viewer","accounts":["*"],"expires_at":")" + end + R"("})")
          .status,
      400);
}

}  // namespace
}  // namespace millrace::api
