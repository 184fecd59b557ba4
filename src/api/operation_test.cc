#include <fstream>
#include <set>
#include <sstream>

#include "api/openapi.h"
#include "api/routes.h"
#include "api/world_test.h"

namespace millrace::api {
namespace {

using model::Role;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct OperationTest : ::testing::Test {
  World world;
};

TEST_F(OperationTest, jwks_has_previous_current_and_next_and_can_be_kept) {
  auto const keys = world.call("GET", "/jwks");

  EXPECT_THAT(keys.all("keys", "kid"),
              ElementsAre("key-1-previous", "key-2-current", "key-3-next"));
  EXPECT_EQ(keys.header("Cache-Control"), "max-age=3600");
  EXPECT_EQ(world.call("GET", "/main/jwks").body, keys.body);
  EXPECT_EQ(world.call("GET", "/.well-known/jwks.json").body, keys.body);
  auto const same =
      world.call("GET", "/jwks", "", "", {{"If-None-Match", "\"x\", " + keys.header("ETag")}});
  EXPECT_EQ(same.status, 304);
  EXPECT_THAT(same.body, IsEmpty());
  EXPECT_EQ(same.header("ETag"), keys.header("ETag"));
  EXPECT_EQ(world.call("GET", "/jwks", "", "", {{"If-None-Match", "\"x\""}}).status, 200);
}

TEST_F(OperationTest, health_and_readiness_say_why_not) {
  EXPECT_EQ(world.call("GET", "/healthz").text("status"), "ok");
  EXPECT_EQ(world.call("GET", "/readyz").text("status"), "ready");
  world.not_healthy = "the committer stands still";
  world.not_ready = "starting";

  EXPECT_EQ(world.call("GET", "/healthz").status, 503);
  EXPECT_EQ(world.call("GET", "/healthz").text("detail"), "the committer stands still");
  EXPECT_EQ(world.call("GET", "/readyz").status, 503);
  EXPECT_EQ(world.call("GET", "/readyz?verbose=1").status, 503);
}

TEST_F(OperationTest, metrics_are_text) {
  auto const metrics =
      world.call("GET", "/metrics", world.token(Role::viewer, {"*"}), "",
                 {{"Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}});

  EXPECT_EQ(metrics.body, "millrace_up 1\n");
  EXPECT_THAT(metrics.header("Content-Type"), HasSubstr("text/plain; version=0.0.4"));
}

TEST_F(OperationTest, the_welcome_page_points_to_the_rest) {
  auto const page = world.call("GET", "/");

  EXPECT_THAT(page.header("Content-Type"), HasSubstr("text/html"));
  for (auto const* const place : {"/api/v1", "/openapi.yaml", "/healthz", "/jwks"})
    EXPECT_THAT(page.body, HasSubstr(place));
}

TEST_F(OperationTest, an_owner_of_every_account_rotates_keys_and_it_is_noted) {
  auto const owner = world.token(Role::owner, {"*"});

  EXPECT_EQ(world.call("POST", "/api/v1/signing_keys/rotate", owner).status, 200);
  EXPECT_EQ(
      world.call("POST", "/api/v1/signing_keys/rotate", owner, R"({"emergency":"key-2-current"})")
          .status,
      200);
  EXPECT_EQ(
      world.call("POST", "/api/v1/signing_keys/rotate", owner, R"({"emergency":"unknown"})").status,
      400);

  EXPECT_THAT(world.rotations, ElementsAre("next", "key-2-current"));
  auto const actions = world.call("GET", "/api/v1/audit", owner).all("items", "action");
  EXPECT_THAT(actions, ::testing::IsSupersetOf({"signing_keys.rotate", "signing_keys.withdraw"}));
}

TEST_F(OperationTest, a_rotation_without_audit_line_does_not_happen) {
  auto const owner = world.token(Role::owner, {"*"});
  world.store.fail_changes(1, {Fault::io, "disk"});

  EXPECT_EQ(world.call("POST", "/api/v1/signing_keys/rotate", owner).status, 500);
  EXPECT_THAT(world.rotations, IsEmpty());
  world.rotated = fail(Fault::conflict, "keys were rotated a moment ago");
  EXPECT_EQ(world.call("POST", "/api/v1/signing_keys/rotate", owner).status, 409);
  EXPECT_THAT(world.call("GET", "/api/v1/audit", owner).all("items", "action"),
              ::testing::Contains("signing_keys.rotate_failed"));
}

TEST_F(OperationTest, signing_keys_are_listed_with_their_states) {
  auto const keys = world.call("GET", "/api/v1/signing_keys", world.token(Role::viewer, {ours}));

  EXPECT_THAT(keys.all("items", "state"), ElementsAre("previous", "current", "next"));
}

TEST_F(OperationTest, what_no_route_takes_is_refused_as_http_says) {
  auto const owner = world.token(Role::owner, {"*"});
  auto const other_method = world.call("PUT", "/api/v1/data_streams", owner, "{}");
  EXPECT_EQ(other_method.status, 405);
  EXPECT_EQ(other_method.header("Allow"), "GET, HEAD, POST");
  EXPECT_EQ(world.call("DELETE", "/jwks").status, 405);
  EXPECT_EQ(world.call("PUT", "/api/v1/data_streams").status, 401);
  for (auto const* const path :
       {"/api/v1", "/api/v1/data_streams/", "/api/v1/nothing", "//jwks", "", "*"})
    EXPECT_EQ(world.call("GET", path, owner).status, 404) << path;
  EXPECT_EQ(world.call("HEAD", "/api/v1/data_streams", owner).status, 200);

  auto const as_type = [&](std::string type) {
    return world
        .call("POST", "/api/v1/data_streams", owner, stream_body(),
              {{"Content-Type", std::move(type)}})
        .status;
  };
  EXPECT_EQ(as_type("text/plain"), 415);
  EXPECT_EQ(as_type("Application/JSON; charset=utf-8"), 201);
  auto const accepting = [&](std::string types) {
    return world.call("GET", "/api/v1/data_streams", owner, "", {{"Accept", std::move(types)}})
        .status;
  };
  EXPECT_EQ(accepting("text/html"), 406);
  EXPECT_EQ(accepting("application/json;q=0"), 406);
  EXPECT_EQ(accepting("text/html, application/*;q=0.1"), 200);
  EXPECT_EQ(accepting("*/*"), 200);
  EXPECT_EQ(
      world.call("POST", "/api/v1/data_streams", owner, std::string(1024 * 1024 + 1, ' ')).status,
      413);
  EXPECT_EQ(world.call("POST", "/api/v1/data_streams", owner).status, 400);
  EXPECT_EQ(world.call("POST", "/api/v1/data_streams", owner, "{\"name\":").status, 400);
}

TEST_F(OperationTest, a_bearer_is_read_strictly) {
  auto const owner = world.token(Role::owner, {"*"});
  auto const with = [&](std::string value) {
    return world.call("GET", "/api/v1/data_streams", "", "", {{"authorization", std::move(value)}})
        .status;
  };
  EXPECT_EQ(with("bearer " + owner), 200);
  EXPECT_EQ(with("Bearer  " + owner), 200);
  EXPECT_EQ(with("Basic " + owner), 401);
  EXPECT_EQ(with("Bearer"), 401);
  EXPECT_EQ(with("Bearer " + owner + "x"), 401);
  EXPECT_EQ(with(owner), 401);
}

TEST_F(OperationTest, the_description_of_the_api_is_served_whole) {
  std::ifstream file(std::string(MILLRACE_SOURCE_DIR) + "/openapi.yaml");
  std::stringstream text;
  text << file.rdbuf();

  auto const served = world.call("GET", "/openapi.yaml");

  EXPECT_EQ(served.header("Content-Type"), "application/yaml");
  EXPECT_TRUE(served.body == text.str()) << served.body.size() << " of " << text.str().size();
}

// "METHOD PATH" of everything below `paths:`; the file is written so that lines tell.
std::set<std::string> documented() {
  std::set<std::string> out;
  std::istringstream lines{std::string(openapi_yaml())};
  std::string line, path;
  bool inside = false;
  while (std::getline(lines, line)) {
    if (line == "paths:")
      inside = true;
    else if (inside && !line.empty() && line.front() != ' ')
      break;
    if (!inside) continue;
    if (line.starts_with("  /") && line.ends_with(":")) path = line.substr(2, line.size() - 3);
    for (auto const* const method : {"get", "post", "patch", "delete", "put"})
      if (line.starts_with("    " + std::string(method) + ":")) {
        std::string upper(method);
        for (auto& c : upper) c = static_cast<char>(c - 'a' + 'A');
        out.insert(upper + " " + path);
      }
  }
  return out;
}

TEST(OpenApiTest, it_has_every_route_and_no_other) {
  std::set<std::string> table;
  for (auto const& route : routes()) table.insert(fmt::format("{} {}", route.method, route.path));
  table.insert("POST /api/v1/events");  // the room ingest answers it

  EXPECT_EQ(documented(), table);
}

}  // namespace
}  // namespace millrace::api
