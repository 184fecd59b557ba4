// What could not become an event, kept for people to look at.
//   Threads  Any loop may call; a Task resumes on the loop that called.
//   Room     Keeps 10,000, at most 64 MiB. What is more is let go: the oldest of the owner who has most bytes. Each such one is counted.
//   Fail     Every call may fail with io or corrupt.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/task.h"
#include "store/page.h"

namespace millrace::store {

struct DeadLetter {  // what could not become an event (DESIGN 6)
  std::string id;    // UUID v7; made by the store when empty
  WallTime at{};
  std::string source;   // "kinesis", "json"
  std::string account;  // of the credential, or empty
  std::string reason;
  std::string payload;  // cut at 64 KiB
  std::string owner{};  // whose share of the room it takes: an account, or a credential of several
};

struct DroppedLetters {  // let go for lack of room, since the store was made
  std::string account;   // of the letters; may be empty
  std::uint64_t count = 0;
};

class DeadLetters {
 public:
  virtual ~DeadLetters() = default;
  virtual io::Task<Result<void>> add(std::vector<DeadLetter> letters) = 0;  // all in one commit
  virtual io::Task<Result<Page<DeadLetter>>> list(std::string after, PageLimits limits) = 0;
  virtual io::Task<Result<DeadLetter>> find(std::string id) = 0;        // Fails with: missing
  virtual io::Task<Result<std::vector<DroppedLetters>>> dropped() = 0;  // by account
};

}  // namespace millrace::store
