// Who may call what, over the whole table of routes: a new route is refused here until it is told about.
#include <set>

#include "api/routes.h"
#include "api/world_test.h"

namespace millrace::api {
namespace {

using model::Role;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto letter_text = "letter-of-theirs";

// Everything that an account can have, made for `theirs`.
struct WallsTest : ::testing::Test {
  World world;
  std::string stream, queue, event, letter, token_id, key_id, secret_of_key, secret_of_token;

  WallsTest() {
    auto const owner = world.token(Role::owner, {"*"});
    stream = world.make_stream(owner, stream_body(theirs, "Stream-of-theirs"));
    queue = world.make_queue(theirs);
    event = world.add_event(theirs, "type_of_theirs").text();
    static_cast<void>(world.sim.run(world.store.add_dead_letters(
        {{"", world.sim.clock().wall(), "json", theirs, "no", letter_text},
         {"", world.sim.clock().wall(), "json", "", "no", letter_text}})));
    letter = world.store.letters().front().id;
    auto const token = *world.sim.run(
        world.registry->add_token("Token-of-theirs", Role::editor, {theirs}, world.root));
    token_id = token.record.id;
    secret_of_token = token.secret;
    auto const key = *world.sim.run(world.registry->add_access_key({theirs}, world.root));
    key_id = key.record.access_key_id;
    secret_of_key = key.secret_access_key;
    model::Attempt attempt;
    attempt.stream = *StreamId::parse(stream);
    attempt.event = *EventId::parse(event);
    attempt.event_type = "type_of_theirs";
    attempt.at = world.sim.clock().wall();
    world.store.add_attempt(attempt);
  }

  // The path with the id of what `theirs` has there.
  std::string path_of(Route const& route) const {
    std::map<std::string, std::string, std::less<>> const ids{{"/api/v1/data_streams/", stream},
                                                              {"/api/v1/events/", event},
                                                              {"/api/v1/dead_letters/", letter},
                                                              {"/api/v1/tokens/", token_id},
                                                              {"/api/v1/access_keys/", key_id}};
    std::string path(route.path);
    if (auto const name = path.find("{name}"); name != path.npos)
      return path.replace(name, 6, "grade_change");
    auto const at = path.find("{id}");
    if (at == path.npos) return path;
    auto const found = ids.find(path.substr(0, at));
    EXPECT_NE(found, ids.end()) << "a path with an id that this test does not know: " << path;
    return found == ids.end() ? path : path.replace(at, 4, found->second);
  }

  // A body that the route takes, naming `theirs` where it names an account.
  std::string body_of(Route const& route) const {
    if (route.body != BodyKind::json) return "";
    if (route.path == "/api/v1/data_streams") return stream_body(theirs);
    if (route.path == "/api/v1/data_streams/{id}") return R"({"name":"taken"})";
    if (route.path == "/api/v1/tokens")
      return R"({"name":"t","role":"viewer","accounts":[")" + std::string(theirs) + R"("]})";
    if (route.path == "/api/v1/access_keys")
      return R"({"accounts":[")" + std::string(theirs) + R"("]})";
    ADD_FAILURE() << "a body that this test does not know: " << route.path;
    return "";
  }

  Reply call(Route const& route, std::string const& token) {
    return world.call(std::string(route.method), path_of(route), token, body_of(route));
  }
};

TEST_F(WallsTest, nothing_but_open_routes_answers_without_a_token) {
  std::set<std::string> open;
  for (auto const& route : routes()) {
    if (route.access == Access::open) {
      open.insert(path_of(route));
      EXPECT_EQ(call(route, "").status, 200) << route.path;
      continue;
    }
    for (auto const* const token : {"", "mr_unknown"}) {
      auto const refused = call(route, token);
      EXPECT_EQ(refused.status, 401) << route.method << route.path;
      EXPECT_THAT(refused.header("WWW-Authenticate"), HasSubstr("Bearer"));
      EXPECT_EQ(refused.header("Content-Type"), "application/problem+json");
    }
  }
  EXPECT_EQ(open, (std::set<std::string>{"/", "/openapi.yaml", "/jwks", "/main/jwks",
                                         "/.well-known/jwks.json", "/healthz", "/readyz"}));
}

TEST_F(WallsTest, another_account_sees_and_changes_nothing) {
  auto const before = *world.sim.run(world.store.records("streams"));
  auto const told = world.lanes.told.size();
  auto const other = world.token(Role::owner, {ours});
  for (auto const& route : routes()) {
    if (route.access == Access::open) continue;
    auto const answer = call(route, other);
    auto const what =
        fmt::format("{} {}: {} {}", route.method, route.path, answer.status, answer.body);

    for (auto const& mark :
         {std::string(theirs), std::string("Stream-of-theirs"), std::string(letter_text),
          std::string("Token-of-theirs"), std::string("type_of_theirs")})
      if (answer.status < 300) EXPECT_THAT(answer.body, Not(HasSubstr(mark))) << what;
    for (auto const& id : {stream, queue, event, letter, token_id, key_id})
      if (answer.status < 300) EXPECT_THAT(answer.body, Not(HasSubstr(id))) << what;
    if (route.path.find("{id}") != route.path.npos)
      EXPECT_EQ(answer.status, 404) << what;
    else if (route.method == "POST" || route.access == Access::read_all)
      EXPECT_TRUE(answer.status == 403 || answer.status == 400) << what;
    else
      EXPECT_EQ(answer.status, 200) << what;
  }
  auto const after = *world.sim.run(world.store.records("streams"));
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_EQ(after[i].version, before[i].version);
  EXPECT_EQ(world.lanes.told.size(), told);
  EXPECT_THAT(world.dispatcher.tested, IsEmpty());
  EXPECT_TRUE(world.registry->token(secret_of_token));
  EXPECT_TRUE(world.registry->access_key(key_id));
}

TEST_F(WallsTest, a_token_that_has_ended_or_is_revoked_opens_nothing) {
  using namespace std::chrono_literals;
  auto const made = [&](std::optional<WallTime> end) {
    return *world.sim.run(
        world.registry->add_token("t", Role::owner, {"*"}, world.root, std::nullopt, end));
  };
  auto const ended = made(world.sim.clock().wall() + 1h);
  auto const revoked = made(std::nullopt);
  EXPECT_EQ(world.call("GET", "/api/v1/tokens", ended.secret).status, 200);
  world.sim.advance(2h);
  ASSERT_TRUE(world.sim.run(world.registry->revoke_token(revoked.record.id, world.root)));

  for (auto const& route : routes()) {
    if (route.access == Access::open) continue;
    for (auto const& secret : {ended.secret, revoked.secret})
      EXPECT_EQ(call(route, secret).status, 401) << route.method << route.path;
  }
}

// Counts of what was let go are told by account, and no other's.
TEST_F(WallsTest, of_several_accounts_each_has_its_wall) {
  constexpr auto third = "33333333-cccc-4ccc-8ccc-333333333333";
  static_cast<void>(world.sim.run(world.store.add_dead_letters(std::vector<store::DeadLetter>(
      10'010, {"", world.sim.clock().wall(), "json", theirs, "no", "x"}))));
  auto const dropped_for = [&](std::string const& token) {
    return world.call("GET", "/api/v1/dead_letters?limit=1", token)
        .json()
        .at("dropped")
        .to_number<int>();
  };
  for (auto const& token :
       {world.token(Role::owner, {ours, third}), world.token(Role::owner, {ours})}) {
    for (auto const& route : routes()) {
      if (route.access == Access::open) continue;
      auto const answer = call(route, token);
      EXPECT_TRUE(route.path.contains("{id}") ? answer.status == 404 : true) << route.path;
      for (std::string const mark : {"Stream-of-theirs", letter_text, "Token-of-theirs"})
        EXPECT_THAT(answer.body, Not(HasSubstr(mark))) << route.method << route.path;
      if (answer.status < 300) EXPECT_THAT(answer.body, Not(HasSubstr(theirs))) << route.path;
    }
    EXPECT_EQ(dropped_for(token), 0);
  }
  EXPECT_GT(dropped_for(world.token(Role::owner, {ours, theirs})), 0);
}

// A guess at what was meant is a guess among what the caller sees.
TEST_F(WallsTest, what_is_misspelt_is_not_completed_from_behind_the_wall) {
  auto const other = world.token(Role::owner, {ours});
  auto const nearly = std::string(theirs).substr(0, 35) + "3";
  std::vector<Reply> const answers{
      world.call("POST", "/api/v1/data_streams", other,
                 R"({"name":"n","account":")" + std::string(ours) +
                     R"(","event_types":["type_of_their"],"delivery":{"method":"https",)" +
                     R"("url":"https://e.example/"},"contact_email":"a@b.c"})"),
      world.call("POST", "/api/v1/data_streams", other, stream_body(nearly, "Stream-of-their")),
      world.call("POST", "/api/v1/tokens", other,
                 R"({"name":"t","role":"viewer","accounts":[")" + nearly + R"("]})"),
      world.call("POST", "/api/v1/access_keys", other, R"({"accounts":[")" + nearly + R"("]})"),
      world.call("GET", "/api/v1/data_streams?account=" + nearly, other),
      world.call("GET", "/api/v1/event_types/type_of_their", other)};
  for (auto const& answer : answers)
    for (std::string const mark : {theirs, "type_of_theirs", "Stream-of-theirs"})
      EXPECT_THAT(answer.body, Not(HasSubstr(mark))) << answer.status;
}

// What is there and what never was are told apart by nothing.
TEST_F(WallsTest, a_404_of_the_wall_is_that_of_nothing) {
  auto const other = world.token(Role::owner, {ours});
  for (auto const& route : routes()) {
    auto const at = route.path.find("{id}");
    if (at == route.path.npos) continue;
    std::string path(route.path);
    path.replace(at, 4, "0192f0c1-0000-7000-8000-000000000000");
    auto const nothing = world.call(std::string(route.method), path, other, body_of(route));

    EXPECT_EQ(call(route, other).body, nothing.body) << route.path;
  }
}

TEST_F(WallsTest, its_own_account_does_reach_each_of_them) {
  auto const own = world.token(Role::owner, {theirs});
  for (auto const& route : routes()) {
    if (route.access == Access::open || route.method == "DELETE") continue;
    auto const answer = call(route, own);
    auto const expected = route.access == Access::read_all || route.access == Access::own_all ? 403
                          : route.path.ends_with("/activate")                                 ? 200
                          : route.makes                                                       ? 201
                                                                                              : 200;
    EXPECT_EQ(answer.status, expected) << route.method << route.path << answer.body;
  }
}

TEST_F(WallsTest, roles_may_what_they_may) {
  for (auto const role : {Role::producer, Role::viewer, Role::editor, Role::owner}) {
    auto const token = world.token(role, {theirs});
    for (auto const& route : routes()) {
      if (route.access == Access::open || route.access == Access::read_all ||
          route.access == Access::own_all)
        continue;
      bool const may = role == Role::producer ? false
                       : role == Role::viewer ? route.access == Access::read
                       : role == Role::editor ? route.access != Access::own
                                              : true;
      if (may && route.method == "DELETE") continue;
      auto const answer = call(route, token);
      EXPECT_EQ(answer.status != 403, may)
          << name_of(role) << route.method << route.path << answer.body;
    }
  }
}

TEST_F(WallsTest, only_every_account_reads_metrics_and_rotates_keys) {
  EXPECT_EQ(world.call("GET", "/metrics", world.token(Role::viewer, {"*"})).status, 200);
  EXPECT_EQ(world.call("GET", "/metrics", world.token(Role::owner, {ours, theirs})).status, 403);
  EXPECT_EQ(world.call("GET", "/metrics", world.token(Role::producer, {"*"})).status, 403);
  EXPECT_EQ(
      world.call("POST", "/api/v1/signing_keys/rotate", world.token(Role::editor, {"*"})).status,
      403);
  EXPECT_EQ(
      world.call("POST", "/api/v1/signing_keys/rotate", world.token(Role::owner, {ours})).status,
      403);
  EXPECT_THAT(world.rotations, IsEmpty());
}

TEST_F(WallsTest, no_answer_holds_a_secret) {
  auto const owner = world.token(Role::owner, {"*"});
  auto const pem = test_key().to_pem();
  auto const inside = pem.substr(pem.find('\n') + 1, 60);
  std::vector<std::string> const secrets{"s3cr3t-header", "s3cr3t-queue", secret_of_key,
                                         secret_of_token, owner,          inside};
  std::vector<std::string> answers;
  for (auto const& route : routes()) {
    if (route.method == "DELETE") continue;
    auto const answer = call(route, owner);
    EXPECT_LT(answer.status, 500) << route.path;
    answers.push_back(answer.body);
  }
  answers.push_back(world.call("GET", "/api/v1/data_streams/" + queue, owner).body);
  EXPECT_THAT(answers.back(), HasSubstr(R"("secret_access_key_set":true)"));
  answers.push_back(
      world.call("PATCH", "/api/v1/data_streams/" + stream, owner, R"({"name":"Q"})").body);
  answers.push_back(world.call("POST", "/api/v1/data_streams/" + queue + "/duplicate", owner).body);
  answers.push_back(world.call("GET", "/api/v1/audit?limit=1000", owner).body);
  for (auto const& answer : answers)
    for (auto const& secret : secrets) EXPECT_THAT(answer, Not(HasSubstr(secret)));
}

}  // namespace
}  // namespace millrace::api
