// What holds after every step, as far as the node's public doors and the book tell; and what holds in the end.
#pragma once
#include <map>
#include <string>

#include "scenario/client.h"

namespace millrace::scenario {

class Invariants {
 public:
  explicit Invariants(World& world);
  // After a step: sums, counts, work. A node that does not answer in time is asked again at the next step.
  void check();
  // When nothing goes wrong any more: everything that was accepted is somewhere.
  void check_end();
  bool all_settled();  // no active stream has anything that waits

 private:
  struct Status {
    std::uint64_t matched = 0, delivered = 0, undelivered = 0, skipped = 0, lost = 0, waiting = 0;
    std::string state, text;
  };
  struct Asking {
    Reply reply;
    bool done = false;
  };
  std::optional<Reply> ask(std::string target);
  std::optional<Status> status_of(Stream const& stream);
  void check_sums(Stream const& stream, Status const& status);
  void check_counts(Stream const& stream, Status const& status);
  void check_work();
  void check_somewhere(Stream const& stream, Status const& status);
  std::set<std::string> undelivered_of(Stream const& stream);

  World& world_;
  Client client_;
  std::uint64_t matched_ = 0;  // of all streams, as last seen
  unsigned life_ = 0;          // which these are of
  SteadyTime life_began_{};
};

}  // namespace millrace::scenario
