// For whom something went well last, and for whom beside that one: what fails for somebody may be put down to himself only if it goes well
// for another.
//   Threads  One loop's.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"

namespace millrace::http {

class WentWell {
 public:
  struct Last {
    std::string who;
    SteadyTime at{};
  };

  void note(std::string_view who, SteadyTime at) {
    if (newest_ && newest_->who != who) other_ = std::move(newest_);
    newest_ = Last{std::string(who), at};
  }
  // The last one that is not `who`; null: there is none.
  Last const* beside(std::string_view who) const {
    auto const& last = newest_ && newest_->who == who ? other_ : newest_;
    return last ? &*last : nullptr;
  }
  // Whether it went well for another at `since` or later.
  bool beside(std::string_view who, SteadyTime since) const {
    auto const* const last = beside(who);
    return last != nullptr && last->at >= since;
  }

 private:
  std::optional<Last> newest_, other_;
};

}  // namespace millrace::http
