// A school day as Canvas would tell it: made-up people, courses and events of every family, for
// demos, trials and load.
//   Pure: the same seed, count and account give the same events, but for the times, which end at
//   `until`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace millrace::commands {

// `count` events in order of time, each as Canvas's producer sends it:
// {"attributes":{…},"body":{…}}. `account`: root account uuid. The first of them cover every event
// type that the sample knows; the day's times spread over the 12 hours before `until`.
std::vector<std::string> sample_day(std::uint64_t seed, std::size_t count, std::string_view account,
                                    WallTime until);

}  // namespace millrace::commands
