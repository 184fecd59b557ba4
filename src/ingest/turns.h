// Work on a large request in pieces, so that the others of its loop have their turn between two.
#pragma once
#include <cstddef>

#include "io/task.h"

namespace millrace::ingest {

class Turns {
 public:
  // About 2 ms of reading events, or of expanding what is compressed.
  static constexpr std::size_t turn_bytes = 512 * 1024;
  static constexpr std::size_t item_bytes = 1024;  // what an item costs beside its bytes

  // Notes one item of work. True: the turn is over, and the caller is to `co_await next()`.
  bool spend(std::size_t bytes) {
    spent_ += bytes + item_bytes;
    return spent_ >= turn_bytes;
  }
  // Goes on after what the loop has waiting.
  io::Task<void> next() {
    spent_ = 0;
    ++taken_;
    co_await io::answer<bool>([](io::Resolver<bool> done) { done(true); });
  }
  std::size_t taken() const { return taken_; }  // how many turns were ended

 private:
  std::size_t spent_ = 0, taken_ = 0;
};

}  // namespace millrace::ingest
