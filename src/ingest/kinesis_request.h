// The bodies of Kinesis requests in JSON 1.1: read once, checked as AWS checks them. Pure.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

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

// Gets each record's data while a request is read: Base64 text that lives until the callback returns. An error ends the reading.
using OnRecord = std::function<std::optional<AwsError>(std::string_view base64)>;

// PutRecords: calls `on_record` for each record in order; everything else about the request was right when this returns a value.
// What `on_record` was given counts only then. `body` gets spare capacity (simdjson's padding); its bytes stay as they are.
std::expected<StreamRef, AwsError> read_put_records(std::string& body, OnRecord const& on_record);
// PutRecord: the same with its one record.
std::expected<StreamRef, AwsError> read_put_record(std::string& body, OnRecord const& on_record);
// Describe…, ListShards: StreamName or StreamARN. `required`: its absence is an error.
std::expected<StreamRef, AwsError> read_stream(std::string& body, bool required);

// Appends the decoded bytes to `out`. Fails as AWS does.
std::optional<AwsError> append_blob(std::string_view base64, std::string& out);

}  // namespace millrace::ingest
