// Lists come in pieces, end at their bytes, and hold a seat for as long as they are sent.
#include "api/list.h"

#include <set>

#include "api/world_test.h"

namespace millrace::api {
namespace {

using model::Role;
using ::testing::Each;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

struct ListTest : ::testing::Test {
  World world;
  std::string owner = world.token(Role::owner, {"*"});

  void add_letters(std::string const& account, int count, std::size_t bytes) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(world.sim.run(world.store.add_dead_letters(
          {{"", world.sim.clock().wall(), "kinesis", account, "no", std::string(bytes, '\0')}})));
  }

  // All of a list, page by page.
  std::vector<std::string> all_of(std::string const& target, std::string const& field,
                                  std::size_t* pages = nullptr) {
    std::vector<std::string> found;
    std::string after;
    for (std::size_t count = 1;; ++count) {
      auto const page = world.call("GET", target + (after.empty() ? "" : "&after=" + after), owner);
      EXPECT_EQ(page.status, 200) << page.body;
      EXPECT_THAT(page.body.size(), Le(ListLimits::page_bytes));
      for (auto& value : page.all("items", field)) found.push_back(std::move(value));
      after = page.text("next");
      if (pages != nullptr) *pages = count;
      if (after.empty()) return found;
    }
  }

  http::ServerRequest request(std::string const& token) const {
    http::ServerRequest made;
    made.method = "GET";
    made.path = made.target = "/api/v1/dead_letters";
    made.query = "limit=1000";
    made.headers = {{"Authorization", "Bearer " + token}};
    return made;
  }
};

// 64 KiB of NUL bytes become 393 KB of JSON.
TEST_F(ListTest, a_page_of_large_letters_ends_at_4_MiB_and_comes_in_pieces) {
  add_letters(theirs, 40, 65'536);

  std::size_t pages = 0;
  auto const ids = all_of("/api/v1/dead_letters?limit=1000", "id", &pages);

  EXPECT_THAT(std::set<std::string>(ids.begin(), ids.end()), SizeIs(40));
  EXPECT_THAT(ids, SizeIs(40));
  EXPECT_THAT(pages, Gt(3U));
  EXPECT_THAT(world.pieces, Each(Le(http::BodySource::most)));
}

TEST_F(ListTest, every_list_ends_at_its_bytes) {
  for (int i = 0; i < 6; ++i) {
    std::string const long_name(250, 'n');
    std::vector<std::string> accounts;
    for (int n = 0; n < 100; ++n) accounts.push_back(fmt::format("{}-{}-{}", long_name, i, n));
    for (int n = 0; n < 40; ++n)
      ASSERT_TRUE(world.sim.run(
          world.registry->add_access_key(accounts, world.root, std::nullopt, std::nullopt)));
  }

  EXPECT_THAT(all_of("/api/v1/access_keys?limit=1000", "access_key_id"), SizeIs(240));
  std::size_t pages = 0;
  EXPECT_THAT(all_of("/api/v1/audit?limit=1000", "id", &pages), SizeIs(Gt(240U)));
  EXPECT_THAT(pages, Gt(1U));
}

TEST_F(ListTest, a_search_for_what_is_not_there_ends_and_goes_on_by_cursor) {
  auto const stream = world.make_stream(owner, stream_body());
  for (int i = 0; i < 20'000; ++i) {
    model::Attempt attempt;
    attempt.stream = *StreamId::parse(stream);
    attempt.event_type = i == 0 ? "wanted" : "other";
    attempt.at = world.sim.clock().wall();
    world.store.add_attempt(attempt);
  }
  auto const target = "/api/v1/data_streams/" + stream + "/attempts?event_type=wanted";

  auto const first = world.call("GET", target, owner);
  EXPECT_EQ(first.all("items", "event_type").size(), 0U);
  EXPECT_NE(first.text("next"), "");
  EXPECT_THAT(all_of(target, "event_type"), SizeIs(1));
}

TEST_F(ListTest, a_list_that_was_cut_says_how_many_were_dropped_of_the_callers_accounts) {
  add_letters(theirs, 3, 1);
  add_letters(ours, 10'001, 1);
  add_letters(ours, 100, 1);

  auto const dropped = [&](std::string const& token) {
    return world.call("GET", "/api/v1/dead_letters?limit=1", token)
        .json()
        .at("dropped")
        .to_number<int>();
  };
  EXPECT_EQ(dropped(owner), 104);
  EXPECT_EQ(dropped(world.token(Role::viewer, {ours})), 104);
  EXPECT_EQ(dropped(world.token(Role::viewer, {theirs})), 0);
}

TEST_F(ListTest, an_account_has_so_many_large_answers_under_way_and_another_has_its_own) {
  add_letters(ours, 4, 65'536);
  add_letters(theirs, 4, 65'536);
  auto const one = world.token(Role::viewer, {ours});
  auto const other = world.token(Role::viewer, {theirs});
  std::vector<http::ServerResponse> held;
  for (std::size_t i = 0; i < SeatLimits().of_one; ++i)
    held.push_back(world.sim.run(world.api->handle(request(one))));
  for (auto const& answer : held) EXPECT_TRUE(answer.more);

  auto const late = world.sim.start(world.api->handle(request(one)));
  world.sim.settle();
  EXPECT_FALSE(late.done());
  EXPECT_EQ(world.sim.run(world.api->handle(request(other))).status, 200);

  held.pop_back();
  world.sim.settle();
  ASSERT_TRUE(late.done());
  EXPECT_EQ(late.value().status, 200);
}

TEST(SeatsTest, who_would_wait_behind_too_many_is_refused_and_others_come_in_order) {
  testing::Sim sim;
  Seats seats({.all = 2, .of_one = 1, .waiting = 2, .one_waits = 1});
  auto first = sim.run(seats.take("a"));
  auto const second = sim.run(seats.take("b"));
  ASSERT_TRUE(first && second);

  auto const of_a = sim.start(seats.take("a"));
  auto const too_many_of_a = sim.start(seats.take("a"));
  auto const of_c = sim.start(seats.take("c"));
  auto const too_many = sim.start(seats.take("d"));
  sim.settle();
  EXPECT_FALSE(of_a.done() || of_c.done());
  EXPECT_FALSE(too_many_of_a.value().has_value());
  EXPECT_FALSE(too_many.value().has_value());

  first.reset();
  sim.settle();
  EXPECT_TRUE(of_a.done() && of_a.value().has_value());
  EXPECT_FALSE(of_c.done());
  of_a.value().reset();
  sim.settle();
  EXPECT_TRUE(of_c.done());
  EXPECT_EQ(seats.taken(), 2U);
}

}  // namespace
}  // namespace millrace::api
