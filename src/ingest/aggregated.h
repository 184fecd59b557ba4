// Records that the Kinesis Producer Library (KPL) has packed into one: a magic number, a protobuf message, its MD5.
//
//   F3 89 9A C2 | AggregatedRecord | MD5 of the message, 16 bytes
//   AggregatedRecord  1 partition_key_table (string, repeated)   2 explicit_hash_key_table (string, repeated)   3 records (repeated)
//   Record            1 partition_key_index (varint)   2 explicit_hash_key_index (varint)   3 data (bytes)   4 tags
//
// One message with one field that matters here: reading it takes fewer lines than a generated reader would take files. Pure.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::ingest {

// It begins as an aggregated record does. No JSON begins so.
bool is_aggregated(std::string_view data);

// The data of each user record, in order; they borrow from `data`. Fails with: invalid, in a sentence without its subject (a wrong
// checksum, a message that is cut short or malformed, a key that is not in its table, more than `most` records).
Result<std::vector<std::string_view>> read_aggregated(std::string_view data, std::size_t most);

}  // namespace millrace::ingest
