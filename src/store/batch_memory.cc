#include "store/batch_memory.h"

#include <algorithm>

#include "store/batch_format.h"

namespace millrace::store {

void BatchMemory::add_newest(SharedBatch batch) {
  kept_.with([&](Kept& kept) {
    kept.tail_bytes += memory_of(*batch);
    kept.tail.push_back(std::move(batch));
    // The newest one stays whatever its size: those that follow the head want it next.
    while (kept.tail_bytes > tail_limit_ && kept.tail.size() > 1) {
      kept.tail_bytes -= memory_of(*kept.tail.front());
      kept.tail.pop_front();
    }
  });
}

void BatchMemory::add_older(SharedBatch batch) {
  kept_.with([&](Kept& kept) {
    if (find(kept, batch->number)) return;
    kept.older_bytes += memory_of(*batch);
    kept.older.push_front(std::move(batch));
    kept.index[kept.older.front()->number] = kept.older.begin();
    shrink(kept);
  });
}

void BatchMemory::shrink(Kept& kept) const {
  while (kept.older_bytes > cache_limit_ && !kept.older.empty()) {
    kept.older_bytes -= memory_of(*kept.older.back());
    kept.index.erase(kept.older.back()->number);
    kept.older.pop_back();
  }
}

SharedBatch BatchMemory::find(Kept& kept, std::uint64_t number) {
  // Numbers in the tail rise, with a jump only where a damaged log was left behind.
  auto const at = std::ranges::lower_bound(kept.tail, number, {},
                                           [](SharedBatch const& batch) { return batch->number; });
  if (at != kept.tail.end() && (*at)->number == number) return *at;
  auto const older = kept.index.find(number);
  if (older == kept.index.end()) return nullptr;
  kept.older.splice(kept.older.begin(), kept.older, older->second);
  return *older->second;
}

SharedBatch BatchMemory::get(std::uint64_t number) {
  return kept_.with([&](Kept& kept) { return find(kept, number); });
}

std::vector<SharedBatch> BatchMemory::run_from(std::uint64_t first, ReadLimits limits) {
  return kept_.with([&](Kept& kept) {
    std::vector<SharedBatch> found;
    std::size_t bytes = 0;
    for (auto number = first; found.size() < limits.batches; ++number) {
      auto batch = find(kept, number);
      if (!batch) break;
      bytes += batch->events.payload_bytes();
      if (!found.empty() && bytes > limits.bytes) break;
      found.push_back(std::move(batch));
    }
    return found;
  });
}

void BatchMemory::forget_before(std::uint64_t number) {
  kept_.with([&](Kept& kept) {
    while (!kept.tail.empty() && kept.tail.front()->number < number) {
      kept.tail_bytes -= memory_of(*kept.tail.front());
      kept.tail.pop_front();
    }
    for (auto at = kept.older.begin(); at != kept.older.end();) {
      auto const now = at++;
      if ((*now)->number >= number) continue;
      kept.older_bytes -= memory_of(**now);
      kept.index.erase((*now)->number);
      kept.older.erase(now);
    }
  });
}

}  // namespace millrace::store
