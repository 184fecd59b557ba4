// Batches kept in memory for all readers: the newest (the tail, without gaps), and those older ones that were read last. Any thread.
#pragma once
#include <deque>
#include <list>
#include <unordered_map>

#include "io/shared.h"
#include "store/store.h"

namespace millrace::store {

class BatchMemory {
 public:
  BatchMemory(std::uint64_t tail_bytes, std::uint64_t cache_bytes)
      : tail_limit_(tail_bytes), cache_limit_(cache_bytes) {}

  void add_newest(SharedBatch batch);
  void add_older(SharedBatch batch);
  SharedBatch get(std::uint64_t number);  // null when it is not here
  // Those from `first` on that are here without a gap, within `limits`.
  std::vector<SharedBatch> run_from(std::uint64_t first, ReadLimits limits);
  void forget_before(std::uint64_t number);

 private:
  struct Kept {
    std::deque<SharedBatch> tail;
    std::uint64_t tail_bytes = 0;
    std::list<SharedBatch> older;  // used last comes first
    std::unordered_map<std::uint64_t, std::list<SharedBatch>::iterator> index;
    std::uint64_t older_bytes = 0;
  };
  static SharedBatch find(Kept& kept, std::uint64_t number);
  void shrink(Kept& kept) const;

  std::uint64_t tail_limit_;
  std::uint64_t cache_limit_;
  io::Locked<Kept> kept_;
};

}  // namespace millrace::store
