// Within room ingest: Kinesis requests in JSON 1.1. See kinesis_request.h.
#pragma once
#include "ingest/kinesis_request.h"

namespace millrace::ingest {

std::expected<StreamRef, AwsError> read_put_records_json(std::string& body, RecordData& records);
std::expected<StreamRef, AwsError> read_put_record_json(std::string& body, RecordData& records);
std::expected<StreamRef, AwsError> read_stream_json(std::string& body, bool required);

}  // namespace millrace::ingest
