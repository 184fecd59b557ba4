// The records of the control plane: streams, credentials, accounts, keys, the audit log. Their writer is one room; others read.
//   Changes  Each transaction has a number, dense and in the order of the commits: the first is 1. (One gap: an operator who accepts that
//            state.db was lost makes the next change skip what may have been answered before.)
//   Follow   Who follows is told of every number in order, also of those that do not touch its collection: so it knows how far it is.
//            A batch says the newest number at its commit (RecordBatch::changes), and a follower of the same loop hears of that change
//            before it hears of the batch.
//   Removal  is told to those who follow when it happens, and to nobody later. What must be learned of across a restart is changed, not
//            removed: its value says that it is gone (a tombstone), until all who need to know have stored that they do.
//   Threads  Any loop may call; a Task resumes on the loop that called.
//   Crash    What change() answered is there after the restart; what it did not answer is there whole or not at all.
//   Fail     Every call may fail with io or corrupt.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/task.h"
#include "store/page.h"

namespace millrace::store {

// Collections: "streams", "tokens", "access_keys", "signing_keys", "accounts", "audit", "settings", ...
struct Record {
  std::string collection;
  std::string id;
  std::uint64_t version = 0;  // 1 when made; each change adds one
  std::string value;          // opaque to the store
  std::uint64_t change =
      0;  // the number of the change that made this version; 0: older than numbers
};

// What a follower is told at once: all changes up to `number` that it was not told of before.
struct RecordsChanged {
  std::uint64_t number = 0;
  std::vector<Record>
      records;  // of its collection, made or changed, in the order of their changes, each as it is now
  std::vector<std::string> removed;  // ids
};
using SharedChange = std::shared_ptr<RecordsChanged const>;

struct RecordChange {
  std::string collection;
  std::string id;
  std::optional<std::string> value;               // nullopt: remove
  std::optional<std::uint64_t> expected_version;  // nullopt: any; 0: must not exist
};

class Records {
 public:
  virtual ~Records() = default;
  // All or none, in one transaction. Answers the number of the change. When it answers, all followers are under way to know.
  // Fails with: conflict (another version than was expected, or it exists), missing (there is none to change or remove), busy
  // (disk full), fenced (this process has a successor; nothing is stored, and nothing will be).
  virtual io::Task<Result<std::uint64_t>> change(std::vector<RecordChange> changes) = 0;
  // The greatest number that was answered, or is about to be. Any thread; never blocks.
  virtual std::uint64_t newest_change() const = 0;
  // Calls `tell` on `loop`: first for the records of the collection that were changed after the change `since` (0: all there are), at
  // most 1,000 a call, then for each change that comes, in order, without a gap between the two. A record that was changed several
  // times before the call is told once, as it is now. The last of the first calls has the newest number, though it may have no records.
  // The first calls are posted before this answers: they have run when its caller resumes, if that runs on `loop`.
  // Ends with the returned handle: no call begins after it is gone, if it goes on `loop`.
  virtual io::Task<Result<std::shared_ptr<void>>> follow(
      std::string collection, std::uint64_t since, io::Executor loop,
      std::function<void(SharedChange)> tell) = 0;
  // Fails with: missing.
  virtual io::Task<Result<Record>> find(std::string collection, std::string id) = 0;
  virtual io::Task<Result<std::vector<Record>>> list(std::string collection) = 0;  // by id
  virtual io::Task<Result<Page<Record>>> newest(std::string collection, std::string after,
                                                PageLimits limits) = 0;  // by id, last first
};

}  // namespace millrace::store
