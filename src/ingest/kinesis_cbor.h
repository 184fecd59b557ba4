// Within room ingest: Kinesis requests in CBOR 1.1, as AWS's SDKs for Java send them: the same members, Data as a byte string. See
// kinesis_request.h.
#pragma once
#include "ingest/kinesis_request.h"

namespace millrace::ingest {

std::expected<StreamRef, AwsError> read_put_records_cbor(std::string_view body,
                                                         RecordData& records);
std::expected<StreamRef, AwsError> read_put_record_cbor(std::string_view body, RecordData& records);
std::expected<StreamRef, AwsError> read_stream_cbor(std::string_view body, bool required);

}  // namespace millrace::ingest
