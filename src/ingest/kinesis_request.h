// The bodies of Kinesis requests, in JSON 1.1 and CBOR 1.1: read once, checked as AWS checks them. Pure.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/aws_answer.h"

namespace millrace::ingest {

struct KinesisLimits {
  static constexpr std::size_t records =
      10'000;  // AWS: 500; but Canvas sends a backlog by bytes alone
  static constexpr std::size_t record_bytes = 1024 * 1024;  // of data
  static constexpr std::size_t partition_key = 256;         // characters
  static constexpr std::size_t stream_name = 128;
};

// Which stream a request means.
struct StreamRef {
  std::optional<std::string> name;  // of StreamName, or the last part of StreamARN
};

// The data of a request's records, decoded, end to end.
struct RecordData {
  std::string bytes;
  std::vector<std::size_t> ends;  // where each record's data ends in `bytes`

  std::size_t size() const { return ends.size(); }
  std::string_view operator[](std::size_t i) const {
    auto const begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(begin, ends[i] - begin);
  }
};

// PutRecords: the data of all records, in order, goes into `records`, which is worth something only when this returns a value. `body`
// gets spare capacity (simdjson's padding); its bytes stay as they are. Reading ends at the first record that is one too many.
std::expected<StreamRef, AwsError> read_put_records(Wire wire, std::string& body,
                                                    RecordData& records);
// PutRecord: the same with its one record.
std::expected<StreamRef, AwsError> read_put_record(Wire wire, std::string& body,
                                                   RecordData& records);
// Describe…, ListShards: StreamName or StreamARN. `required`: its absence is an error.
std::expected<StreamRef, AwsError> read_stream(Wire wire, std::string& body, bool required);

// Appends the decoded bytes to `out`. Fails as AWS does.
std::optional<AwsError> append_blob(std::string_view base64, std::string& out);

}  // namespace millrace::ingest
