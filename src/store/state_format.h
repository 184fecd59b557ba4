// The bytes of the state of streams in state.db. The one file that knows them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/store.h"

namespace millrace::store {

std::string key_of(StreamId stream);  // 16 bytes, as they stand in an index
std::string key_of(EventId event);
StreamId stream_of(std::string_view key);
EventId event_of(std::string_view key);

std::string encode_progress(StreamProgress const& progress);
Result<StreamProgress> decode_progress(std::string_view bytes);

std::string encode_retry(Retry const& retry);
Result<Retry> decode_retry(std::string_view bytes);

// A checkpoint, without `undelivered`, which has rows of its own.
std::string encode_deltas(std::vector<StreamDelta> const& deltas);
Result<std::vector<StreamDelta>> decode_deltas(std::string_view bytes);

}  // namespace millrace::store
