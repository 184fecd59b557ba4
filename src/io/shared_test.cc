#include "io/shared.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "io/random.h"

namespace millrace::io {
namespace {

TEST(Shared, gives_each_reader_a_whole_value_that_stays) {
  Shared<std::string> shared("old");
  auto const held = shared.get();

  shared.set("new");

  EXPECT_EQ(*held, "old");
  EXPECT_EQ(*shared.get(), "new");
}

TEST(Shared, is_never_seen_half_replaced) {
  Shared<std::vector<int>> shared(std::vector<int>(100, 0));
  std::jthread const writer([&shared] {
    for (int i = 1; i <= 2000; ++i) shared.set(std::vector<int>(100, i));
  });

  int torn = 0;
  for (int last = 0; last < 2000;) {
    auto const now = shared.get();
    for (int const value : *now) torn += value == now->front() ? 0 : 1;
    last = now->front();
  }

  EXPECT_EQ(torn, 0);
}

TEST(Locked, loses_no_change) {
  Locked<int> count;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&count] {
        for (int k = 0; k < 5000; ++k) count.with([](int& value) { ++value; });
      });
  }

  EXPECT_EQ(std::as_const(count).with([](int const& value) { return value; }), 20'000);
}

TEST(SystemRandom, is_not_the_same_twice_and_stays_in_range) {
  SystemRandom random;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    seen.insert(random.bits());
    double const unit = random.unit();
    EXPECT_GE(unit, 0.0);
    EXPECT_LT(unit, 1.0);
  }

  EXPECT_EQ(seen.size(), 1000U);
  EXPECT_EQ(random.bytes(33).size(), 33U);
  EXPECT_NE(random.bytes(33), random.bytes(33));
}

}  // namespace
}  // namespace millrace::io
