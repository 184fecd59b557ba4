// Who holds how much of one limit that many share, so that whoever holds most gives way first: a flood then costs the flooder's own.
//   Threads  A value.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

class Shares {
 public:
  void add(std::string_view owner, std::uint64_t amount);
  void remove(std::string_view owner, std::uint64_t amount);  // of what was added

  std::uint64_t total() const { return total_; }
  std::uint64_t of(std::string_view owner) const;
  std::size_t owners() const { return amounts_.size(); }  // that hold anything
  // Who holds most; empty when nobody holds anything.
  std::string largest() const;

 private:
  std::map<std::string, std::uint64_t, std::less<>> amounts_;
  std::set<std::pair<std::uint64_t, std::string>> by_amount_;
  std::uint64_t total_ = 0;
};

}  // namespace millrace
