#include "scenario/scenario.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace millrace::scenario {
namespace {

std::uint64_t told(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

void expect_green(std::uint64_t seed) {
  auto const outcome = run(seed);
  EXPECT_TRUE(outcome.green) << outcome.report;
  std::cout << "seed " << seed << ": " << outcome.events << " events, " << outcome.tries
            << " tries, " << outcome.lives << " lives of the node\n";
}

class Seeds : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Ten, Seeds, ::testing::Values(1, 11, 21, 31, 41));

TEST_P(Seeds, hold) {
  for (auto seed = GetParam(); seed < GetParam() + 10; ++seed) expect_green(seed);
}

// The one that a failure names.
TEST(Scenario, one) { expect_green(told("MILLRACE_SCENARIO_SEED", 1)); }

// As many as one has time for: ./test --all --seeds N.
TEST(Scenario, many) {
  for (std::uint64_t seed = 1, n = told("MILLRACE_SCENARIO_SEEDS", 0); seed <= n; ++seed)
    expect_green(seed);
}

TEST(Scenario, the_same_seed_is_the_same_run_and_another_is_another) {
  auto const one = run(7), again = run(7), other = run(8);

  EXPECT_GT(one.trace.size(), 100U);
  EXPECT_EQ(one.trace, again.trace);
  EXPECT_NE(one.trace, other.trace);
}

}  // namespace
}  // namespace millrace::scenario
