// The repeat keys that the commit thread knows, within a limit of bytes. Past it the credential that holds most gives up its oldest, so
// that one producer's keys do not push out another's.
//   Owner   A key names it with what stands before its second colon: "kinesis:AKIA…:…", "json:TOKEN-ID:…".
#pragma once
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/shares.h"
#include "store/store.h"

namespace millrace::store {

struct Repeat {
  std::string key, body_hash, answer;
  std::int64_t expires_ms = 0;
  Position first;
  std::size_t bytes() const { return key.size() + body_hash.size() + answer.size() + 160; }
};
using SharedRepeat = std::shared_ptr<Repeat const>;

std::string_view owner_of_repeat(std::string_view key);

class RepeatMemory {
 public:
  explicit RepeatMemory(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  SharedRepeat find(std::string const& key, std::int64_t now_ms) const;  // null: none that counts
  // The newest of all. Answers how many were let go before their time.
  std::size_t remember(SharedRepeat repeat, std::int64_t now_ms);
  std::uint64_t bytes() const { return shares_.total(); }

 private:
  using ByAge = std::list<SharedRepeat>;
  void drop(ByAge::iterator at);

  std::uint64_t most_bytes_;
  std::unordered_map<std::string_view, ByAge::iterator> by_key_;              // by the key inside
  ByAge by_age_;                                                              // the oldest first
  std::map<std::string, std::deque<ByAge::iterator>, std::less<>> by_owner_;  // the same, of each
  Shares shares_;
};

// What is read back at a start, the newest first: keeps of each owner its newest, as RepeatMemory would have.
class RepeatHarvest {
 public:
  explicit RepeatHarvest(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // False: no older one of this key's owner is wanted, as newer ones have filled its share.
  bool wants(std::string_view key) const;
  void add(SharedRepeat repeat);
  std::vector<SharedRepeat> take() &&;  // the oldest first

 private:
  struct Owned {
    std::vector<SharedRepeat> newest_first;
    bool is_full = false;
  };
  std::uint64_t most_bytes_;
  std::map<std::string, Owned, std::less<>> by_owner_;
  Shares shares_;
};

}  // namespace millrace::store
