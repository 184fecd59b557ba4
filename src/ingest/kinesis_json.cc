#include "ingest/kinesis_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "ingest/intake.h"
#include "ingest/kinesis_fields.h"

namespace millrace::ingest {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::string_view blob = "a Blob";
constexpr std::string_view string = "an String";

// AWS's words for a value of the wrong type, which name the classes of its own parser.
AwsError wrong_type(ondemand::json_type type, std::string_view wanted) {
  switch (type) {
    case ondemand::json_type::number:
      return serialization_error(
          fmt::format("class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be "
                      "converted to {}",
                      wanted));
    case ondemand::json_type::boolean:
      return serialization_error(
          fmt::format("class java.lang.Boolean can not be converted to {}", wanted));
    case ondemand::json_type::array:
      return serialization_error("Unrecognized collection type class java.util.ArrayList");
    case ondemand::json_type::object:
      return serialization_error("Start of structure or map found where not expected.");
    default:
      return serialization_error();
  }
}

// The string's text: a slice of the body where nothing is escaped (Base64 never is, nearly). nullopt in `text`: null.
std::optional<AwsError> take_string(ondemand::value value, std::string_view wanted,
                                    std::optional<std::string_view>& text) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return serialization_error();
  if (type == ondemand::json_type::null) {
    if (!value.is_null()) return serialization_error();
    text.reset();
    return std::nullopt;
  }
  if (type != ondemand::json_type::string) return wrong_type(type, wanted);
  std::string_view raw = value.raw_json_token();
  raw = raw.substr(0, raw.find_last_not_of(" \t\r\n") + 1);
  if (raw.size() >= 2 && raw.back() == '"' && raw.find('\\') == raw.npos) {
    text = raw.substr(1, raw.size() - 2);
    return std::nullopt;
  }
  std::string_view plain;
  if (value.get_string().get(plain) != simdjson::SUCCESS) return serialization_error();
  text = plain;
  return std::nullopt;
}

std::size_t blob_bytes(std::string_view base64) {
  std::size_t const padding = base64.ends_with("==") ? 2 : base64.ends_with('=') ? 1 : 0;
  return base64.size() / 4 * 3 - std::min(padding, base64.size() / 4 * 3);
}

// Takes the field if it is one of a record's.
std::optional<AwsError> take(RecordFields& record, ondemand::raw_json_string key,
                             ondemand::value value) {
  if (key == "Data") {
    auto error = take_string(value, blob, record.data);
    record.data_bytes = record.data ? blob_bytes(*record.data) : 0;
    return error;
  }
  if (key == "PartitionKey") return take_string(value, string, record.partition_key);
  if (key == "ExplicitHashKey") return take_string(value, string, record.hash_key);
  return std::nullopt;
}

std::optional<AwsError> take(StreamFields& stream, ondemand::raw_json_string key,
                             ondemand::value value) {
  bool const is_name = key == "StreamName";
  if (!is_name && !(key == "StreamARN")) return std::nullopt;
  std::optional<std::string_view> text;
  auto error = take_string(value, string, text);
  (is_name ? stream.name : stream.arn) = text;
  return error;
}

std::optional<AwsError> keep(std::string_view base64, RecordData& records) {
  if (auto error = append_blob(base64, records.bytes)) return error;
  records.ends.push_back(records.bytes.size());
  return std::nullopt;
}

// Calls `each(key, value)`, which returns an error or nullopt, for the fields of the one object that `body` is.
template <class Each>
std::optional<AwsError> each_field(ondemand::parser& parser, std::string& body, Each const& each) {
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  if (parser.iterate(body.data(), body.size(), body.capacity()).get(document) != simdjson::SUCCESS)
    return serialization_error();
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return serialization_error();
  for (auto result : object) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return serialization_error();
    if (auto error = each(field.key(), field.value())) return error;
  }
  // Something stands behind the object.
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return serialization_error();
  return std::nullopt;
}

template <class Each>
std::optional<AwsError> each_record(ondemand::value records, Each const& each) {
  ondemand::json_type type;
  if (records.type().get(type) != simdjson::SUCCESS) return serialization_error();
  if (type == ondemand::json_type::object)
    return serialization_error("Start of structure or map found where not expected.");
  ondemand::array array;
  if (records.get_array().get(array) != simdjson::SUCCESS)
    return serialization_error("Expected list or null");
  for (auto result : array) {
    ondemand::object object;
    if (result.get_object().get(object) != simdjson::SUCCESS)
      return serialization_error("Expected structure or null");
    RecordFields record;
    for (auto member : object) {
      ondemand::field field;
      if (std::move(member).get(field) != simdjson::SUCCESS) return serialization_error();
      if (auto error = take(record, field.key(), field.value())) return error;
    }
    if (auto error = each(record)) return error;
  }
  return std::nullopt;
}

}  // namespace

std::expected<StreamRef, AwsError> read_put_records_json(std::string& body, RecordData& records) {
  ondemand::parser parser;
  StreamFields stream;
  records.bytes.reserve(body.size() / 4 * 3);  // Base64 takes 4 for 3
  RecordsJudge judge([&](std::string_view base64) { return keep(base64, records); });
  bool seen = false;
  auto error = each_field(
      parser, body,
      [&](ondemand::raw_json_string key, ondemand::value value) -> std::optional<AwsError> {
        if (!(key == "Records")) return take(stream, key, value);
        if (std::exchange(seen, true)) return serialization_error("Records stands twice");
        if (bool null = false; value.is_null().get(null) == simdjson::SUCCESS && null) {
          seen = false;
          return std::nullopt;
        }
        return each_record(value, [&](RecordFields const& record) { return judge.add(record); });
      });
  if (error) return std::unexpected(std::move(*error));
  return judge.end(seen, stream);
}

std::expected<StreamRef, AwsError> read_put_record_json(std::string& body, RecordData& records) {
  ondemand::parser parser;
  StreamFields stream;
  RecordFields record;
  auto error = each_field(
      parser, body,
      [&](ondemand::raw_json_string key, ondemand::value value) -> std::optional<AwsError> {
        if (auto wrong = take(record, key, value)) return wrong;
        return take(stream, key, value);
      });
  if (error) return std::unexpected(std::move(*error));
  Violations wrong;
  record.judge(wrong, [] { return std::string(); });
  auto ref = stream.judged(wrong, true);
  if (ref)
    if (auto trouble = keep(*record.data, records)) return std::unexpected(std::move(*trouble));
  return ref;
}

std::expected<StreamRef, AwsError> read_stream_json(std::string& body, bool required) {
  ondemand::parser parser;
  StreamFields stream;
  auto error = each_field(parser, body, [&](ondemand::raw_json_string key, ondemand::value value) {
    return take(stream, key, value);
  });
  if (error) return std::unexpected(std::move(*error));
  Violations wrong;
  return stream.judged(wrong, required);
}

std::optional<AwsError> append_blob(std::string_view base64, std::string& out) {
  if (append_base64(base64, out)) return std::nullopt;
  auto const refused = [&](std::string why) {
    return serialization_error(
        fmt::format("'{}' can not be converted to a Blob: {}", cut(base64, 1024), why));
  };
  if (base64.size() % 4 != 0)
    return refused(fmt::format(
        "Base64 encoded length is expected a multiple of 4 bytes but found: {}", base64.size()));
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto const bad = std::min(base64.find_first_not_of(digits), base64.size() - 1);
  auto end = bad + 1;  // the whole character, where it is more than a byte
  while (end < base64.size() && (static_cast<unsigned char>(base64[end]) & 0xC0U) == 0x80U) ++end;
  return refused(fmt::format("Invalid Base64 character: '{}'", base64.substr(bad, end - bad)));
}

}  // namespace millrace::ingest
