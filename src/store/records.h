// The records of the control plane: streams, credentials, accounts, keys, the audit log. Their writer is one room; others read.
//   Threads  Any loop may call; a Task resumes on the loop that called.
//   Crash    What change() answered is there after the restart; what it did not answer is there whole or not at all.
//   Fail     Every call may fail with io or corrupt.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/task.h"
#include "store/page.h"

namespace millrace::store {

struct
    Record {  // collections: "streams", "tokens", "access_keys", "signing_keys", "accounts", "audit", "settings", ...
  std::string collection;
  std::string id;
  std::uint64_t version = 0;  // 1 when made; each change adds one
  std::string value;          // opaque to the store
};

struct RecordChange {
  std::string collection;
  std::string id;
  std::optional<std::string> value;               // nullopt: remove
  std::optional<std::uint64_t> expected_version;  // nullopt: any; 0: must not exist
};

class Records {
 public:
  virtual ~Records() = default;
  // All or none. Answers the number of the change: the first is 1, each next one is greater by one.
  // Fails with: conflict (another version than was expected, or it exists), missing (there is none to change or remove), busy.
  virtual io::Task<Result<std::uint64_t>> change(std::vector<RecordChange> changes) = 0;
  virtual io::Task<Result<std::vector<Record>>> list(std::string collection) = 0;  // by id
  virtual io::Task<Result<Page<Record>>> newest(std::string collection, std::string after,
                                                PageLimits limits) = 0;  // by id, last first
};

}  // namespace millrace::store
