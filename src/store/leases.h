// Who owns which streams. In a folder all are this process's: the epoch counts its starts.
//   Fenced   What an owner does after a successor has begun (append, save, change, a renewal) is refused as fenced, and changes nothing.
//            Nothing that it does will be stored again: it ends its process.
//   Threads  Any loop may call; a Task resumes on the loop that called.
#pragma once
#include <compare>
#include <cstdint>

#include "base/error.h"
#include "io/task.h"

namespace millrace::store {

struct ShardId {  // from 0 up to, without, Leases::shards()
  std::uint32_t number = 0;
  friend auto operator<=>(ShardId const&, ShardId const&) = default;
};

struct Lease {
  ShardId shard;
  std::uint64_t epoch = 0;  // greater than that of each owner before
};

class Leases {
 public:
  virtual ~Leases() = default;
  virtual std::uint32_t shards()
      const = 0;  // at least 1; any thread; the same for the life of the store
  // The epoch is stored before anything is saved with it. Fails with: busy (another owner has it), fenced (this process has a
  // successor), io.
  virtual io::Task<Result<Lease>> take(ShardId shard) = 0;
  // Fails with: fenced (the shard has a newer owner), io.
  virtual io::Task<Result<void>> renew(Lease lease) = 0;
  // Call it when nothing of the shard is under way any more. Releasing what a newer owner has changes nothing, and is no failure.
  virtual io::Task<Result<void>> release(Lease lease) = 0;
};

}  // namespace millrace::store
