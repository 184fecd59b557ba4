// The records of one put, sorted: what is an event goes into a block, what is none becomes a dead letter.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "ingest/aside.h"
#include "ingest/expanded_memory.h"
#include "ingest/intake.h"
#include "ingest/kinesis_request.h"
#include "store/store.h"

namespace millrace::ingest {

// What one record of the request became.
struct RecordFate {
  std::uint32_t events = 0, letters = 0;
  // Neither: with the request's other records it is more than one request may become. Sent again it is taken.
  bool left = false;
};

struct SortedRecords {
  model::EventBlock block;
  std::vector<RecordFate> fates;           // a record each
  std::vector<store::DeadLetter> letters;  // in the records' order
  std::size_t letters_made = 0;            // how many they were, wherever they are now
  std::array<std::uint64_t, 4> refused{};  // by Refusal
};

// In turns. `again`: the fates of an earlier call for the same records, of which the same block is made. What is referred to outlives
// the Task.
io::Task<SortedRecords> sort_records(RecordData const& records, model::Principal const& who,
                                     WallTime now, ExpandedMemory::Hold& held, Aside& aside,
                                     std::vector<RecordFate> const* again = nullptr);

}  // namespace millrace::ingest
