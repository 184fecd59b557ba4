#include "ingest/kinesis_request.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "ingest/intake.h"

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

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool is_hash_key(std::string_view text) {  // 0|([1-9]\d{0,38})
  if (text == "0") return true;
  return !text.empty() && text.size() <= 39 && text.front() != '0' &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_stream_name(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

std::size_t blob_bytes(std::string_view base64) {
  std::size_t const padding = base64.ends_with("==") ? 2 : base64.ends_with('=') ? 1 : 0;
  return base64.size() / 4 * 3 - std::min(padding, base64.size() / 4 * 3);
}

// One record, as it is being read.
struct RecordFields {
  std::optional<std::string_view> data, partition_key, hash_key;

  // Takes the field if it is one of a record's.
  std::optional<AwsError> take(ondemand::raw_json_string key, ondemand::value value) {
    if (key == "Data") return take_string(value, blob, data);
    if (key == "PartitionKey") return take_string(value, string, partition_key);
    if (key == "ExplicitHashKey") return take_string(value, string, hash_key);
    return std::nullopt;
  }

  // `place`: "" or "records.N.member.", made only where something is wrong.
  template <class Place>
  void judge(Violations& wrong, Place const& place) const {
    if (!data) {
      wrong.add_null(place() + "data");
    } else if (data->size() > KinesisLimits::record_bytes &&
               blob_bytes(*data) > KinesisLimits::record_bytes) {
      auto const size = blob_bytes(*data);
      wrong.add(fmt::format("java.nio.HeapByteBuffer[pos=0 lim={} cap={}]", size, size),
                place() + "data", "Member must have length less than or equal to 1048576");
    }
    if (hash_key && !is_hash_key(*hash_key))
      wrong.add(*hash_key, place() + "explicitHashKey",
                R"(Member must satisfy regular expression pattern: 0|([1-9]\d{0,38}))");
    if (!partition_key) {
      wrong.add_null(place() + "partitionKey");
    } else if (partition_key->empty()) {
      wrong.add("", place() + "partitionKey", "Member must have length greater than or equal to 1");
    } else if (partition_key->size() > KinesisLimits::partition_key &&
               characters(*partition_key) > KinesisLimits::partition_key) {
      wrong.add(*partition_key, place() + "partitionKey",
                "Member must have length less than or equal to 256");
    }
  }
};

struct StreamFields {
  std::optional<std::string_view> name, arn;

  std::optional<AwsError> take(ondemand::raw_json_string key, ondemand::value value) {
    if (key == "StreamName") return take_string(value, string, name);
    if (key == "StreamARN") return take_string(value, string, arn);
    return std::nullopt;
  }

  void judge(Violations& wrong, bool required) const {
    if (!name && !arn && required) wrong.add_null("streamName");
    if (name && name->empty())
      wrong.add("", "streamName", "Member must have length greater than or equal to 1");
    if (name && name->size() > KinesisLimits::stream_name)
      wrong.add(*name, "streamName", "Member must have length less than or equal to 128");
    if (name && !is_stream_name(*name))
      wrong.add(*name, "streamName",
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
    if (arn && (!arn->starts_with("arn:aws") || arn->find(":stream/") == arn->npos))
      wrong.add(
          *arn, "streamARN",
          R"(Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+)");
  }

  StreamRef ref() const {
    if (name) return {std::string(*name)};
    if (arn) return {std::string(arn->substr(arn->find(":stream/") + 8))};
    return {};
  }
};

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
      if (auto error = record.take(field.key(), field.value())) return error;
    }
    if (auto error = each(record)) return error;
  }
  return std::nullopt;
}

std::expected<StreamRef, AwsError> judged(Violations& wrong, StreamFields const& stream,
                                          bool required) {
  stream.judge(wrong, required);
  if (!wrong.empty()) return std::unexpected(wrong.error());
  return stream.ref();
}

}  // namespace

std::expected<StreamRef, AwsError> read_put_records(std::string& body, OnRecord const& on_record) {
  ondemand::parser parser;
  StreamFields stream;
  Violations wrong;
  std::size_t count = 0;
  bool seen = false;
  auto const take_record = [&](RecordFields const& record) -> std::optional<AwsError> {
    ++count;
    record.judge(wrong, [&] { return fmt::format("records.{}.member.", count); });
    // Once something is wrong nothing will be stored: the rest is read for its types only.
    return wrong.empty() && count <= KinesisLimits::records ? on_record(*record.data)
                                                            : std::nullopt;
  };
  auto error = each_field(
      parser, body,
      [&](ondemand::raw_json_string key, ondemand::value value) -> std::optional<AwsError> {
        if (!(key == "Records")) return stream.take(key, value);
        if (std::exchange(seen, true)) return serialization_error("Records stands twice");
        if (bool null = false; value.is_null().get(null) == simdjson::SUCCESS && null) {
          seen = false;
          return std::nullopt;
        }
        return each_record(value, take_record);
      });
  if (error) return std::unexpected(std::move(*error));
  if (!seen) wrong.add_null("records");
  if (seen && count == 0)
    wrong.add("[]", "records", "Member must have length greater than or equal to 1");
  if (count > KinesisLimits::records)
    wrong.add(fmt::format("[{} records]", count), "records",
              "Member must have length less than or equal to 10000");
  return judged(wrong, stream, true);
}

std::expected<StreamRef, AwsError> read_put_record(std::string& body, OnRecord const& on_record) {
  ondemand::parser parser;
  StreamFields stream;
  RecordFields record;
  auto error = each_field(
      parser, body,
      [&](ondemand::raw_json_string key, ondemand::value value) -> std::optional<AwsError> {
        if (auto wrong = record.take(key, value)) return wrong;
        return stream.take(key, value);
      });
  if (error) return std::unexpected(std::move(*error));
  Violations wrong;
  record.judge(wrong, [] { return std::string(); });
  auto ref = judged(wrong, stream, true);
  if (ref)
    if (auto trouble = on_record(*record.data)) return std::unexpected(std::move(*trouble));
  return ref;
}

std::expected<StreamRef, AwsError> read_stream(std::string& body, bool required) {
  ondemand::parser parser;
  StreamFields stream;
  auto error = each_field(parser, body, [&](ondemand::raw_json_string key, ondemand::value value) {
    return stream.take(key, value);
  });
  if (error) return std::unexpected(std::move(*error));
  Violations wrong;
  return judged(wrong, stream, required);
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
