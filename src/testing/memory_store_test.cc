#include "testing/memory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/sim.h"

namespace millrace::testing {
namespace {

using namespace std::chrono_literals;
using namespace store;
using ::testing::ElementsAre;
using ::testing::SizeIs;

model::EventBlock block(std::vector<std::string> const& names) {
  model::EventBlock events;
  for (auto const& name : names) events.add("acc", name, R"({"event_name":")" + name + "\"}", "{}");
  return events;
}

struct MemoryStoreTest : ::testing::Test {
  Sim sim;
  MemoryStore store{sim.clock(), {.batch_bytes = 100}};
};

TEST_F(MemoryStoreTest, keeps_what_is_appended_and_tells_followers_in_order) {
  std::vector<std::uint64_t> seen;
  auto follower = store.follow(sim.executor(),
                               [&](SharedBatch const& batch) { seen.push_back(batch->number); });

  auto const appended = sim.run(store.append(block({"a", "b", "c"}), std::nullopt));
  sim.settle();
  follower.reset();
  sim.run(store.append(block({"d"}), std::nullopt)).value();

  ASSERT_TRUE(appended.has_value());
  EXPECT_EQ(appended->first, (Position{1, 0}));
  EXPECT_THAT(seen, ElementsAre(1U, 2U));  // two of these fit into 100 bytes
  EXPECT_EQ(store.range().next, 4U);
  auto const found = sim.run(store.find(store.log()[1]->id_of(0)));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->first->number, 2U);
}

TEST_F(MemoryStoreTest, stores_a_repeat_once) {
  RepeatKey const key{"k", std::string(32, 'h'), "answer", 1min};
  RepeatKey const other{"k", std::string(32, 'o'), "", 1min};

  auto const first = sim.run(store.append(block({"a"}), key));
  auto const repeat = sim.run(store.append(block({"a"}), key));
  auto const conflict = sim.run(store.append(block({"a"}), other));

  EXPECT_FALSE(first->repeated);
  EXPECT_TRUE(repeat->repeated);
  EXPECT_EQ(repeat->answer, "answer");
  EXPECT_EQ(repeat->first, first->first);
  EXPECT_EQ(conflict.error().fault, Fault::conflict);
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_F(MemoryStoreTest, has_trouble_on_order) {
  store.busy_appends(1);
  EXPECT_EQ(sim.run(store.append(block({"a"}), std::nullopt)).error().fault, Fault::busy);
  store.lose_answers(1, {Fault::uncertain, "lost"});
  EXPECT_EQ(sim.run(store.append(block({"a"}), std::nullopt)).error().fault, Fault::uncertain);
  EXPECT_THAT(store.payloads(), SizeIs(1));

  store.hold_appends();
  auto const held = sim.start(store.append(block({"b"}), std::nullopt));
  sim.settle();
  EXPECT_FALSE(held.done());
  store.release_appends();
  sim.settle();
  EXPECT_TRUE(held.done());
}

TEST_F(MemoryStoreTest, drops_what_is_too_old) {
  sim.run(store.append(block({"a"}), std::nullopt)).value();
  sim.advance(24h * 8);
  sim.run(store.append(block({"b"}), std::nullopt)).value();

  auto const range = sim.run(store.retain(sim.clock().wall()));

  EXPECT_EQ(range->oldest, 2U);
  EXPECT_EQ(sim.run(store.read(1, {})).error().fault, Fault::missing);
  EXPECT_THAT(*sim.run(store.read(2, {})), SizeIs(1));
}

TEST_F(MemoryStoreTest, changes_records_all_or_none) {
  EXPECT_TRUE(sim.run(store.change({{"c", "1", "x", 0}, {"c", "2", "y", std::nullopt}})));
  EXPECT_EQ(sim.run(store.change({{"c", "1", "z", 1}, {"c", "2", "z", 7}})).error().fault,
            Fault::conflict);
  EXPECT_EQ(sim.run(store.change({{"c", "3", std::nullopt, std::nullopt}})).error().fault,
            Fault::missing);

  auto const all = sim.run(store.records("c"));
  ASSERT_THAT(*all, SizeIs(2));
  EXPECT_EQ((*all)[0].value, "x");
  auto const page = sim.run(store.newest_records("c", "", {1}));
  EXPECT_EQ(page->items[0].id, "2");
  EXPECT_EQ(sim.run(store.newest_records("c", page->next, {1}))->items[0].id, "1");
}

TEST_F(MemoryStoreTest, checkpoints_streams) {
  StreamId const id{{1, 2}};
  StreamDelta delta;
  delta.stream = id;
  delta.progress.cursor = {3, 0};
  Retry retry;
  retry.work.at = {1, 0};
  delta.retries.push_back(retry);
  LedgerMinute minute;
  minute.minute = 5;
  minute.delivered = 2;
  delta.ledger.push_back(minute);
  EXPECT_TRUE(sim.run(store.checkpoint({delta})));
  delta.retries.clear();
  delta.retries_ended.push_back({.at = {1, 0}});
  EXPECT_TRUE(sim.run(store.checkpoint({delta})));

  auto const streams = sim.run(store.load_streams());
  ASSERT_THAT(*streams, SizeIs(1));
  EXPECT_THAT((*streams)[0].retries, SizeIs(0));
  auto const ledger = sim.run(store.ledger(id, 0, 10));
  ASSERT_THAT(*ledger, SizeIs(1));
  EXPECT_EQ((*ledger)[0].delivered, 4U);
}

}  // namespace
}  // namespace millrace::testing
