#include "ingest/kinesis_cbor.h"

#include <fmt/format.h>

#include "ingest/cbor.h"
#include "ingest/kinesis_fields.h"

namespace millrace::ingest {
namespace {

using Kind = CborItem::Kind;

AwsError malformed() { return serialization_error("The body is not the CBOR of a request."); }

// Takes a string whose beginning was `item`; null leaves nothing.
std::optional<AwsError> take_string(CborReader& reader, CborItem const& item, Kind kind, Kind row,
                                    std::string_view name, std::optional<std::string_view>& into) {
  into.reset();
  if (item.kind == Kind::null) return std::nullopt;
  if (item.kind != kind && item.kind != row)
    return serialization_error(
        fmt::format("{} is no {}", name, kind == Kind::bytes ? "byte string" : "text string"));
  into = reader.string(item);
  return into ? std::nullopt : std::optional(malformed());
}

std::optional<AwsError> take_text(CborReader& reader, CborItem const& item, std::string_view name,
                                  std::optional<std::string_view>& into) {
  return take_string(reader, item, Kind::text, Kind::text_row, name, into);
}

// Reads the map whose beginning was `map`: `take(key, value)` has to read the value, and gives an error or nullopt.
template <class Take>
std::optional<AwsError> each_pair(CborReader& reader, CborItem const& map, Take const& take) {
  CborRow row(map);
  while (auto const key_item = row.next(reader)) {
    if (key_item->kind != Kind::text && key_item->kind != Kind::text_row) return malformed();
    auto const key = reader.string(*key_item);
    auto const value = key ? reader.next() : std::nullopt;
    if (!value || value->kind == Kind::stop) return malformed();
    if (auto error = take(*key, *value)) return error;
  }
  return row.is_malformed() ? std::optional(malformed()) : std::nullopt;
}

// The same with the one map that `body` is.
template <class Take>
std::optional<AwsError> each_field(CborReader& reader, Take const& take) {
  auto const map = reader.next();
  if (!map || map->kind != Kind::map) return malformed();
  if (auto error = each_pair(reader, *map, take)) return error;
  return reader.at_end() ? std::nullopt : std::optional(malformed());
}

// Takes the field if it is one of a record's. `known`: whether it was.
std::optional<AwsError> take(CborReader& reader, RecordFields& record, std::string_view key,
                             CborItem const& value, bool& known) {
  known = true;
  if (key == "Data") {
    auto error = take_string(reader, value, Kind::bytes, Kind::bytes_row, "Data", record.data);
    record.data_bytes = record.data ? record.data->size() : 0;
    return error;
  }
  if (key == "PartitionKey") return take_text(reader, value, key, record.partition_key);
  if (key == "ExplicitHashKey") return take_text(reader, value, key, record.hash_key);
  known = false;
  return std::nullopt;
}

std::optional<AwsError> take(CborReader& reader, StreamFields& stream, std::string_view key,
                             CborItem const& value) {
  bool const is_name = key == "StreamName";
  if (!is_name && key != "StreamARN")
    return reader.skip(value) ? std::nullopt : std::optional(malformed());
  std::optional<std::string_view> text;
  auto error = take_text(reader, value, key, text);
  (is_name ? stream.name : stream.arn) = text;
  return error;
}

std::optional<AwsError> keep(std::string_view data, RecordData& records) {
  records.bytes += data;
  records.ends.push_back(records.bytes.size());
  return std::nullopt;
}

// One element of Records.
std::optional<AwsError> read_record(CborReader& reader, CborItem const& item, RecordsJudge& judge) {
  if (item.kind != Kind::map) return serialization_error("Expected structure or null");
  RecordFields record;
  auto error = each_pair(reader, item, [&](std::string_view key, CborItem const& value) {
    bool known = false;
    auto wrong = take(reader, record, key, value, known);
    if (!wrong && !known && !reader.skip(value)) wrong = malformed();
    return wrong;
  });
  if (!error) error = judge.add(record);
  reader.forget();
  return error;
}

}  // namespace

std::expected<StreamRef, AwsError> read_put_records_cbor(std::string_view body,
                                                         RecordData& records) {
  CborReader reader(body);
  StreamFields stream;
  records.bytes.reserve(body.size());
  RecordsJudge judge([&](std::string_view data) { return keep(data, records); });
  bool seen = false;
  auto error = each_field(
      reader, [&](std::string_view key, CborItem const& value) -> std::optional<AwsError> {
        if (key != "Records") return take(reader, stream, key, value);
        if (value.kind == Kind::null) return std::nullopt;
        if (std::exchange(seen, true)) return serialization_error("Records stands twice");
        if (value.kind != Kind::array) return serialization_error("Expected list or null");
        CborRow row(value);
        while (auto const item = row.next(reader))
          if (auto wrong = read_record(reader, *item, judge)) return wrong;
        return row.is_malformed() ? std::optional(malformed()) : std::nullopt;
      });
  if (error) return std::unexpected(std::move(*error));
  return judge.end(seen, stream);
}

std::expected<StreamRef, AwsError> read_put_record_cbor(std::string_view body,
                                                        RecordData& records) {
  CborReader reader(body);
  StreamFields stream;
  RecordFields record;
  auto error = each_field(
      reader, [&](std::string_view key, CborItem const& value) -> std::optional<AwsError> {
        bool known = false;
        if (auto wrong = take(reader, record, key, value, known)) return wrong;
        return known ? std::nullopt : take(reader, stream, key, value);
      });
  if (error) return std::unexpected(std::move(*error));
  Violations wrong;
  record.judge(wrong, [] { return std::string(); });
  auto ref = stream.judged(wrong, true);
  if (ref) keep(*record.data, records);
  return ref;
}

std::expected<StreamRef, AwsError> read_stream_cbor(std::string_view body, bool required) {
  CborReader reader(body);
  StreamFields stream;
  auto error = each_field(reader, [&](std::string_view key, CborItem const& value) {
    return take(reader, stream, key, value);
  });
  if (error) return std::unexpected(std::move(*error));
  Violations wrong;
  return stream.judged(wrong, required);
}

}  // namespace millrace::ingest
