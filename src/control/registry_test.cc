#include "control/registry.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "base/encoding.h"
#include "control/control_fixture.h"
#include "crypto/digest.h"

namespace millrace::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

struct RegistryTest : ::testing::Test {
  World world;

  Registry& registry() { return *world.registry; }
  model::DataStream stream(std::string name = "Ally") {
    auto out = *model::parse_new(stream_body(ours, name), {});
    out.id = StreamId{Uuid::v7(world.sim.clock().wall(), world.sim.random().bits(), 7)};
    return out;
  }
  Result<DesiredPtr> save(model::DataStream s, std::uint64_t expected,
                          std::optional<Repeat> repeat = {}) {
    s.version = expected;
    return world.sim.run(
        registry().save({.stream = std::move(s)}, world.root, "test.save", std::move(repeat)));
  }
  std::vector<store::Record> stored(std::string const& collection) {
    return *world.sim.run(world.store.records(collection));
  }
};

TEST_F(RegistryTest, everything_is_there_after_a_restart) {
  auto const s = stream();
  ASSERT_TRUE(save(s, 0));
  auto const token =
      *world.sim.run(registry().add_token("sis", model::Role::producer, {ours}, world.root));
  auto const key = *world.sim.run(registry().add_access_key({ours, theirs}, world.root));
  auto const before = model::to_stored(*registry().stream(s.id));

  world.restart();

  ASSERT_THAT(registry().streams(), SizeIs(1));
  EXPECT_EQ(model::to_stored(*registry().stream(s.id)), before);
  EXPECT_EQ(registry().stream(s.id)->version, 1);
  auto const principal = registry().token(token.secret);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->id, token.record.id);
  EXPECT_EQ(principal->role, model::Role::producer);
  EXPECT_THAT(principal->accounts, ElementsAre(ours));
  auto const found = registry().access_key(key.record.access_key_id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->secret_access_key, key.secret_access_key);
  EXPECT_THAT(found->principal.accounts, ElementsAre(ours, theirs));
  EXPECT_EQ(found->principal.role, model::Role::producer);
}

TEST_F(RegistryTest, secrets_have_their_forms) {
  auto const token =
      *world.sim.run(registry().add_token("t", model::Role::viewer, {ours}, world.root));
  auto const key = *world.sim.run(registry().add_access_key({ours}, world.root));

  EXPECT_THAT(token.secret, MatchesRegex("mr_[A-Za-z0-9_-]{43}"));
  EXPECT_THAT(key.record.access_key_id, MatchesRegex("AKIA[A-Z2-7]{16}"));
  EXPECT_THAT(key.secret_access_key, MatchesRegex("[A-Za-z0-9+/]{40}"));
}

TEST_F(RegistryTest, no_secret_lies_open_in_the_store) {
  ASSERT_TRUE(save(stream(), 0));
  auto const token =
      *world.sim.run(registry().add_token("t", model::Role::viewer, {ours}, world.root));
  auto const key = *world.sim.run(registry().add_access_key({ours}, world.root));

  for (auto const* const collection :
       {"streams", "tokens", "access_keys", "audit", "settings", "idempotency"})
    for (auto const& record : stored(collection))
      for (auto const& secret : {std::string("s3cr3t-header"), token.secret, key.secret_access_key,
                                 std::string("ally.example.edu")})
        EXPECT_THAT(record.value, Not(HasSubstr(secret))) << collection;
  ASSERT_THAT(stored("tokens"), SizeIs(1));
  EXPECT_THAT(stored("tokens").front().value, HasSubstr(hex(crypto::sha256(token.secret))));
}

TEST_F(RegistryTest, another_master_key_is_refused_with_one_sentence) {
  auto const opened = world.sim.run(
      Registry::open(world.store, test_sealer('x'), world.sim.clock(), world.sim.random()));

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::corrupt);
  EXPECT_THAT(opened.error().what, HasSubstr("master key"));
  EXPECT_THAT(opened.error().what, Not(HasSubstr("\n")));
}

TEST_F(RegistryTest, a_box_that_was_moved_to_another_place_is_refused) {
  auto const s = stream();
  ASSERT_TRUE(save(s, 0));
  auto const box = stored("streams").front().value;
  ASSERT_TRUE(world.sim.run(world.store.change(
      {{"streams", "0192f0c1-0000-7000-8000-000000000000", box, std::nullopt}})));

  auto const opened = world.sim.run(
      Registry::open(world.store, test_sealer(), world.sim.clock(), world.sim.random()));

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::corrupt);
  EXPECT_THAT(opened.error().what, HasSubstr("0192f0c1-0000-7000-8000-000000000000"));
}

TEST_F(RegistryTest, a_damaged_token_is_refused) {
  ASSERT_TRUE(world.sim.run(world.store.change({{"tokens", "t-1", "{\"name\":1}", 0}})));

  auto const opened = world.sim.run(
      Registry::open(world.store, test_sealer(), world.sim.clock(), world.sim.random()));

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::corrupt);
}

TEST_F(RegistryTest, a_change_of_an_old_version_is_a_conflict_and_changes_nothing) {
  auto s = stream();
  ASSERT_TRUE(save(s, 0));
  s.name = "second";
  ASSERT_TRUE(save(s, 1));
  s.name = "third";

  auto const late = save(s, 1);

  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, Fault::conflict);
  EXPECT_EQ(registry().stream(s.id)->name, "second");
  EXPECT_EQ(registry().stream(s.id)->version, 2);
  EXPECT_FALSE(save(s, 0));
}

TEST_F(RegistryTest, a_change_that_is_not_stored_is_not_seen) {
  auto s = stream();
  ASSERT_TRUE(save(s, 0));
  s.name = "second";
  world.store.fail_changes(1, {Fault::io, "disk"});

  EXPECT_FALSE(save(s, 1));
  EXPECT_EQ(registry().stream(s.id)->name, "Ally");
  world.store.fail_changes(1, {Fault::io, "disk"});
  EXPECT_FALSE(world.sim.run(registry().add_token("t", model::Role::viewer, {ours}, world.root)));
  EXPECT_THAT(registry().tokens(), IsEmpty());
}

TEST_F(RegistryTest, times_and_versions_are_set_here) {
  auto s = stream();
  ASSERT_TRUE(save(s, 0));
  auto const made = registry().stream(s.id);
  world.sim.advance(5s);
  ASSERT_TRUE(save(*made, 1));
  auto const changed = registry().stream(s.id);

  EXPECT_EQ(made->created_at, made->updated_at);
  EXPECT_EQ(changed->created_at, made->created_at);
  EXPECT_EQ(changed->updated_at, made->updated_at + 5s);
  EXPECT_EQ(changed->version, 2);
}

TEST_F(RegistryTest, a_deleted_stream_is_a_tombstone_until_nothing_is_left_of_it) {
  auto const s = stream();
  ASSERT_TRUE(save(s, 0));
  EXPECT_EQ(world.sim.run(registry().bury(s.id, 7, world.root)).error().fault, Fault::conflict);
  ASSERT_TRUE(world.sim.run(registry().bury(s.id, 1, world.root)));

  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(registry().stream(s.id), nullptr);
    EXPECT_THAT(registry().streams(), IsEmpty());
    ASSERT_THAT(registry().desired(), SizeIs(1));
    EXPECT_TRUE(registry().desired(s.id)->gone);
    EXPECT_EQ(registry().namesake(ours, "Ally", StreamId{}), std::nullopt);
    world.restart();
  }
  EXPECT_EQ(world.sim.run(registry().bury(s.id, 2, world.root)).error().fault, Fault::missing);
  EXPECT_FALSE(save(s, 2));
  auto const box = stored("streams").front().value;
  EXPECT_THAT(*test_sealer().open(box, "streams/" + s.id.text()), Not(HasSubstr("s3cr3t")));

  ASSERT_TRUE(world.sim.run(registry().forget(s.id, 2)));

  EXPECT_THAT(registry().desired(), IsEmpty());
  EXPECT_THAT(stored("streams"), IsEmpty());
}

TEST_F(RegistryTest, a_revoked_token_opens_nothing_and_stays_listed) {
  auto const token =
      *world.sim.run(registry().add_token("t", model::Role::viewer, {ours}, world.root));
  ASSERT_TRUE(registry().token(token.secret));

  ASSERT_TRUE(world.sim.run(registry().revoke_token(token.record.id, world.root)));

  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(registry().token(token.secret));
    ASSERT_THAT(registry().tokens(), SizeIs(1));
    EXPECT_TRUE(registry().tokens().front().revoked);
    world.restart();
  }
  EXPECT_EQ(world.sim.run(registry().revoke_token(token.record.id, world.root)).error().fault,
            Fault::conflict);
}

TEST_F(RegistryTest, a_revoked_access_key_signs_nothing_and_its_secret_is_gone) {
  auto const key = *world.sim.run(registry().add_access_key({ours}, world.root));
  auto const id = key.record.access_key_id;

  ASSERT_TRUE(world.sim.run(registry().revoke_access_key(id, world.root)));

  EXPECT_FALSE(registry().access_key(id));
  auto const box = stored("access_keys").front().value;
  EXPECT_THAT(*test_sealer().open(box, "access_keys/" + id), Not(HasSubstr(key.secret_access_key)));
  world.restart();
  EXPECT_FALSE(registry().access_key(id));
  EXPECT_THAT(registry().access_keys(), SizeIs(1));
}

TEST_F(RegistryTest, a_given_pair_is_taken_once) {
  Registry::GivenKey const given{"AKIAIOSFODNN7EXAMPLE", "given-secret"};
  ASSERT_TRUE(world.sim.run(registry().add_access_key({"*"}, world.root, {}, given)));
  EXPECT_EQ(registry().access_key("AKIAIOSFODNN7EXAMPLE")->secret_access_key, "given-secret");

  auto const again = world.sim.run(registry().add_access_key({ours}, world.root, {}, given));

  EXPECT_EQ(again.error().fault, Fault::conflict);
}

TEST_F(RegistryTest, the_first_owner_is_made_once) {
  std::vector<std::string> kept;
  auto const keep = [&](std::string const& secret) {
    kept.push_back(secret);
    return Result<void>();
  };

  EXPECT_TRUE(*world.sim.run(registry().first_owner(keep)));
  EXPECT_FALSE(*world.sim.run(registry().first_owner(keep)));

  ASSERT_THAT(kept, SizeIs(1));
  auto const owner = registry().token(kept.front());
  ASSERT_TRUE(owner);
  EXPECT_TRUE(owner->may_own() && owner->sees_all());
}

TEST_F(RegistryTest, without_its_file_the_first_owner_is_not_made) {
  auto const refuse = [](std::string const&) -> Result<void> {
    return fail(Fault::io, "admin.token: disk");
  };

  EXPECT_FALSE(world.sim.run(registry().first_owner(refuse)));
  EXPECT_THAT(registry().tokens(), IsEmpty());
}

TEST_F(RegistryTest, a_new_owner_is_made_when_the_last_one_has_ended) {
  auto const keep = [](std::string const&) { return Result<void>(); };
  ASSERT_TRUE(world.sim.run(registry().add_token("x", model::Role::owner, {"*"}, world.root, {},
                                                 world.sim.clock().wall() + 1h)));
  ASSERT_TRUE(world.sim.run(registry().add_token("x", model::Role::owner, {ours}, world.root)));
  EXPECT_FALSE(*world.sim.run(registry().first_owner(keep)));
  world.sim.advance(1h);

  EXPECT_TRUE(*world.sim.run(registry().first_owner(keep)));
}

TEST_F(RegistryTest, each_change_has_its_audit_line) {
  auto s = stream();
  ASSERT_TRUE(save(s, 0));
  s.name = "Renamed";
  s.headers["Authorization"] = "s3cr3t-changed";
  s.delivery.url = "https://new.example.edu/?key=s3cr3t-query";
  world.sim.advance(1s);
  ASSERT_TRUE(save(s, 1));

  auto const lines = stored("audit");
  ASSERT_THAT(lines, SizeIs(2));
  auto const line = boost::json::parse(lines.back().value).as_object();
  EXPECT_EQ(line.at("action").as_string(), "test.save");
  EXPECT_EQ(line.at("object").as_string(), s.id.text());
  EXPECT_EQ(line.at("by").at("id").as_string(), "root");
  EXPECT_EQ(boost::json::serialize(line.at("accounts")), "[\"" + std::string(ours) + "\"]");
  EXPECT_EQ(boost::json::serialize(line.at("changes")),
            R"([{"field":"/name","from":"Ally","to":"Renamed"},{"field":"/delivery/url"},)"
            R"({"field":"/headers"}])");
}

TEST_F(RegistryTest, what_a_marked_call_made_is_known_for_a_day) {
  Repeat const repeat{"key", crypto::sha256("body")};
  auto const s = stream();
  ASSERT_TRUE(save(s, 0, repeat));

  world.restart();
  ASSERT_TRUE(registry().made("key"));
  EXPECT_EQ(registry().made("key")->id, s.id.text());
  EXPECT_EQ(registry().made("key")->body_hash, repeat.body_hash);
  world.sim.advance(24h + 1s);
  EXPECT_FALSE(registry().made("key"));

  Repeat const other{"other", crypto::sha256("body")};
  ASSERT_TRUE(
      world.sim.run(registry().add_token("t", model::Role::viewer, {ours}, world.root, other)));
  ASSERT_THAT(stored("idempotency"), SizeIs(1));
  EXPECT_EQ(stored("idempotency").front().id, "other");
}

}  // namespace
}  // namespace millrace::control
