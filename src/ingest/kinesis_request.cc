#include "ingest/kinesis_request.h"

#include "ingest/kinesis_cbor.h"
#include "ingest/kinesis_json.h"

namespace millrace::ingest {

std::expected<StreamRef, AwsError> read_put_records(Wire wire, std::string& body,
                                                    RecordData& records) {
  return wire == Wire::cbor ? read_put_records_cbor(body, records)
                            : read_put_records_json(body, records);
}

std::expected<StreamRef, AwsError> read_put_record(Wire wire, std::string& body,
                                                   RecordData& records) {
  return wire == Wire::cbor ? read_put_record_cbor(body, records)
                            : read_put_record_json(body, records);
}

std::expected<StreamRef, AwsError> read_stream(Wire wire, std::string& body, bool required) {
  return wire == Wire::cbor ? read_stream_cbor(body, required) : read_stream_json(body, required);
}

}  // namespace millrace::ingest
