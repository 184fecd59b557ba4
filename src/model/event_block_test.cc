#include "model/event_block.h"

#include <gtest/gtest.h>

namespace millrace::model {
namespace {

EventBlock three() {
  EventBlock block;
  block.add("acc1", "grade_change", R"({"event_name" : "grade_change"})", R"({"a":[ 1 ]})");
  block.add("acc2", "grade_change", R"({"event_name":"grade_change"})", "{}");
  block.add("acc1", "grade_change", "{}", R"({"b":"}"})");
  return block;
}

TEST(EventBlock, keeps_both_values_byte_for_byte) {
  auto const block = three();

  ASSERT_EQ(block.size(), 3U);
  EXPECT_EQ(block[0].payload, R"({"metadata":{"event_name" : "grade_change"},"body":{"a":[ 1 ]}})");
  EXPECT_EQ(block[0].metadata(), R"({"event_name" : "grade_change"})");
  EXPECT_EQ(block[0].body(), R"({"a":[ 1 ]})");
  EXPECT_EQ(block[2].metadata(), "{}");
  EXPECT_EQ(block[2].body(), R"({"b":"}"})");
}

TEST(EventBlock, counts_by_account_and_type) {
  auto const block = three();

  ASSERT_EQ(block.kinds().size(), 2U);
  EXPECT_EQ(block.kinds()[0].kind, (Kind{"acc1", "grade_change"}));
  EXPECT_EQ(block.kinds()[0].events, 2U);
  EXPECT_EQ(block.kinds()[1].events, 1U);
  EXPECT_EQ(block[1].kind, 1U);
}

TEST(EventBlock, copies_events_from_another_block) {
  auto const from = three();
  EventBlock to;

  for (std::size_t i = from.size(); i-- > 0;)
    to.add(from.kinds()[from[i].kind].kind, from[i].payload, from[i].metadata_bytes);

  ASSERT_EQ(to.size(), 3U);
  EXPECT_EQ(to[0].payload, from[2].payload);
  EXPECT_EQ(to[2].body(), from[0].body());
  EXPECT_EQ(to.payload_bytes(), from.payload_bytes());
}

// A producer may give every event a type of its own.
TEST(KindTable, many_kinds_cost_about_log_n_comparisons_each) {
  KindTable table;
  constexpr std::uint32_t many = 20'000;
  for (std::uint32_t round = 0; round < 2; ++round)
    for (std::uint32_t i = 0; i < many; ++i) {
      auto const place = table.count("account", "type_" + std::to_string(i * 7919 % many));
      EXPECT_EQ(place, i);
    }

  EXPECT_EQ(table.kinds().size(), many);
  for (auto const& kind : table.kinds()) EXPECT_EQ(kind.events, 2U);
  EXPECT_LT(table.comparisons(), 2 * many * 25);
}

TEST(KindTable, few_kinds_and_runs_of_one_are_found_at_the_newest) {
  KindTable table;
  for (int i = 0; i < 17; ++i) table.count("a", "type_" + std::to_string(i));
  auto const before = table.comparisons();

  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(table.count("a", "type_16"), 16U);
  EXPECT_EQ(table.count("b", "type_16"), 17U);
  EXPECT_EQ(table.count("a", "type_0"), 0U);

  EXPECT_LT(table.comparisons() - before, 1'030U);
}

TEST(EventBlock, is_rebuilt_from_its_parts) {
  auto const from = three();

  auto const again = EventBlock::from_parts(from.bytes(), from.rows(), from.kinds());

  ASSERT_TRUE(again) << again.error().what;
  ASSERT_EQ(again->size(), from.size());
  for (std::size_t i = 0; i < from.size(); ++i) EXPECT_EQ((*again)[i].payload, from[i].payload);
}

TEST(EventBlock, refuses_parts_that_do_not_fit) {
  auto const from = three();
  auto const refused = [&](auto change) {
    auto bytes = from.bytes();
    auto rows = from.rows();
    auto kinds = from.kinds();
    change(bytes, rows, kinds);
    auto const again = EventBlock::from_parts(bytes, rows, kinds);
    return !again && again.error().fault == Fault::corrupt;
  };

  EXPECT_TRUE(refused([](auto& bytes, auto&, auto&) { bytes.pop_back(); }));
  EXPECT_TRUE(refused([](auto& bytes, auto&, auto&) { bytes += 'x'; }));
  EXPECT_TRUE(refused([](auto&, auto& rows, auto&) { rows[0].kind = 2; }));
  EXPECT_TRUE(refused([](auto&, auto& rows, auto&) { rows[1].end = rows[0].end; }));
  EXPECT_TRUE(refused([](auto&, auto& rows, auto&) { std::swap(rows[0], rows[1]); }));
  EXPECT_TRUE(refused([](auto&, auto& rows, auto&) { rows[1].metadata_bytes = 1000; }));
  EXPECT_TRUE(refused([](auto&, auto& rows, auto&) { rows[0].metadata_bytes = 0xFFFF'FFFF; }));
  EXPECT_TRUE(refused([](auto&, auto&, auto& kinds) { ++kinds[0].events; }));
  EXPECT_TRUE(refused([](auto&, auto&, auto& kinds) { kinds.push_back({{"x", "y"}, 1}); }));
}

}  // namespace
}  // namespace millrace::model
