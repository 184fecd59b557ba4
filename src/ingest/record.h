// What the data of one Kinesis record holds: an event as it is, or compressed; or many that KPL has aggregated, each as it is or
// compressed.
#pragma once
#include <cstddef>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/expand.h"
#include "ingest/intake.h"
#include "ingest/turns.h"

namespace millrace::ingest {

struct RecordLimits {
  static constexpr std::size_t events = 10'000;  // of one request, and of one record
  static constexpr std::size_t expanded_bytes =
      14 * 1024 * 1024;  // of one request, and of one record
};

// Whether a record is one text as it stands.
bool is_plain_record(std::string_view data);

struct OpenedRecord {
  std::vector<std::string_view> texts;  // of `data` or `kept`
  std::deque<std::string> kept;         // what was expanded
  std::size_t expanded_bytes = 0;
};

struct RecordTrouble {
  std::optional<Refused> refused;  // nullopt: there is no memory for it now
};

// Opens a record that is not plain, in turns; `before`: how many bytes `held` holds for the request's other records. What is referred
// to outlives the Task.
io::Task<std::expected<OpenedRecord, RecordTrouble>> open_record(std::string_view data,
                                                                 std::size_t before,
                                                                 ExpandedMemory::Hold& held,
                                                                 Turns& turns);

}  // namespace millrace::ingest
