// The bytes of a record batch. The one file that knows them; README.md has the table, batch_format_test.cc the golden bytes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/repeat_memory.h"
#include "store/store.h"

namespace millrace::store {

struct StoredBatch {
  std::string header;  // a few hundred bytes
  std::string body;    // LZ4, or as it is when that is no shorter
};

StoredBatch encode_batch(RecordBatch const& batch);

// `changes` stands beside the batch. Fails with: corrupt (any bit differs from what was encoded, or the batch is not number `number`).
Result<SharedBatch> decode_batch(std::uint64_t number, std::string_view header,
                                 std::string_view body, std::uint64_t changes = 0);
Result<BatchSummary> decode_summary(std::uint64_t number, std::string_view header);

// The repeat keys of one commit.
std::string encode_repeats(std::vector<SharedRepeat> const& repeats);
Result<std::vector<Repeat>> decode_repeats(std::string_view bytes);  // Fails with: corrupt

// What a decoded batch takes in memory.
std::size_t memory_of(RecordBatch const& batch);
BatchSummary summary_of(RecordBatch const& batch);

}  // namespace millrace::store
