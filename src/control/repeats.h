// What calls that were marked with a key of their own have made, so that a repeat makes nothing: for 24 hours, and within a limit of which
// each credential has its share.
//   Threads  A value.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/shares.h"
#include "base/time.h"

namespace millrace::control {

// Marks a call that makes something, so that its repeat makes nothing: kept in the same transaction.
struct Repeat {
  std::string key;        // who, where and the client's own key, hashed
  std::string body_hash;  // a repeat with another body is another call
  std::string by{};       // the credential's id: whose share of the room it takes
};

struct Made {  // what a marked call made
  std::string body_hash;
  std::string id;
  WallTime at{};
  std::string by{};  // the credential's id
};

class Repeats {
 public:
  static constexpr Duration keep = std::chrono::hours(24);
  static constexpr std::size_t most = 10'000;  // more: the oldest are forgotten
  static constexpr std::size_t at_once = 100;  // of those whose time is over

  void put(std::string const& key, Made made);  // replaces what was made with this key before
  std::optional<Made> find(std::string const& key, WallTime earliest) const;
  // Takes out those that ended before `earliest`: their keys, the oldest first.
  std::vector<std::string> take_ended(WallTime earliest);
  // When there are too many: takes out the oldest of whoever has most.
  std::optional<std::string> take_surplus();

 private:
  using ByTime = std::set<std::pair<WallTime, std::string>>;
  void take(std::string const& key);

  std::map<std::string, Made> made_;
  ByTime by_time_;
  std::map<std::string, ByTime> by_owner_;
  Shares shares_;
};

}  // namespace millrace::control
