// What an answer means for an event's run. Pure: all policy of retrying is here.
#pragma once
#include <string>
#include <variant>

#include "delivery/retry_policy.h"
#include "delivery/transport.h"

namespace millrace::delivery {

struct Delivered {
  friend bool operator==(Delivered const&, Delivered const&) = default;
};

struct RetryAt {
  WallTime due{};
  bool counted =
      true;  // false: the trouble was ours, and the try is made again with the same number
  friend bool operator==(RetryAt const&, RetryAt const&) = default;
};

struct GivenUp {  // the run is over without success: the event becomes undelivered
  model::FailureClass failure = model::FailureClass::none;
  std::uint16_t status = 0;
  std::string reason;
  friend bool operator==(GivenUp const&, GivenUp const&) = default;
};

using Verdict = std::variant<Delivered, RetryAt, GivenUp>;

struct Standing {        // of a run, before the try that is judged
  int tried = 0;         // tries made that counted
  WallTime run_start{};  // when the first of them began; of a first try: when it began itself
};

// `luck` in [0, 1). A Retry-After (of 429 and 503) moves the next try later, never so late that the run would leave its span.
// Trouble of our own side burns no try: it is made again after 7.5 to 12.5 s, for as long as the trouble lasts.
Verdict judge(Outcome const& outcome, Standing standing, RetryPolicy const& policy, double luck,
              WallTime now);

// A failure without an answer while this process did not run for a while (`stopped`; zero: it ran): nobody knows whose it was, so it is
// taken as our own. What the endpoint answered stays what it was.
void excuse(Outcome& outcome, Duration stopped);

// Whether the endpoint said, or showed, that it has too much to do: its window is halved then. That says nothing of the event: one
// that was delivered over a crowded path is delivered.
bool is_overload(Outcome const& outcome);

}  // namespace millrace::delivery
