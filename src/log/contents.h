// What is known of one segment's file: its header, where its frames end, and a sparse index into them. A value.
#pragma once
#include "log/format.h"

namespace millrace::log {

struct Contents {
  FileHeader header;
  Summary summary;
  Index index;

  static Contents empty(FileHeader const& header);
  // A frame that counts, behind all those before it.
  void add(Prefix const& frame);
  // Where to begin to look for batch `number`: at or before it. At most 64 KiB and a frame lie between.
  std::uint64_t place_before(std::uint64_t number) const;
  // The same for the first batch that was accepted at or after `accepted_ms`.
  std::uint64_t place_before_time(std::int64_t accepted_ms) const;
  bool is_empty() const { return summary.batches == 0; }
};

}  // namespace millrace::log
