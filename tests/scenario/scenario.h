// One scenario, from its seed: who takes part, step by step, to the end or to the first finding.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::scenario {

struct Outcome {
  bool green = false;
  std::string report;  // of a red one: seed, step, invariant, expected, is, how to repeat it
  std::vector<std::string> trace;  // what everybody saw and did
  std::size_t events = 0, tries = 0;
  unsigned lives = 0;
};

Outcome run(std::uint64_t seed);

}  // namespace millrace::scenario
