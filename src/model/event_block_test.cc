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
