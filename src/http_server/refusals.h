// What a server refused and which connections it closed for others, counted by reason.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/log.h"
#include "io/clock.h"
#include "io/shared.h"
#include "io/task.h"

namespace millrace::http::server {

struct RefusalCounts {
  std::map<std::string, std::uint64_t> requests;     // answered with 408 or 503, by reason
  std::map<std::string, std::uint64_t> connections;  // closed, by reason
};

// Reasons are words of the program, never a client's: there are few. Any thread.
class Refusals {
 public:
  void request(std::string_view reason) { add(&RefusalCounts::requests, reason); }
  void connection(std::string_view reason) { add(&RefusalCounts::connections, reason); }
  RefusalCounts counts() const {
    return counts_.with([](RefusalCounts const& counts) { return counts; });
  }

 private:
  void add(std::map<std::string, std::uint64_t> RefusalCounts::* where, std::string_view reason) {
    counts_.with([&](RefusalCounts& counts) { ++(counts.*where)[std::string(reason)]; });
  }
  io::Locked<RefusalCounts> counts_;
};

// One warning for each minute in which anything was counted: how many, and why. Until it is cancelled. `counts` and the others outlive it.
io::Task<void> tell_refusals(std::function<RefusalCounts()> counts, io::Clock& clock, Log& log);

}  // namespace millrace::http::server
