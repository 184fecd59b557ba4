#include "ingest/kinesis_fields.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::ingest {
namespace {

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

}  // namespace

void RecordFields::judge(Violations& wrong, std::function<std::string()> const& place) const {
  if (!data) {
    wrong.add_null(place() + "data");
  } else if (data_bytes > KinesisLimits::record_bytes) {
    wrong.add(fmt::format("java.nio.HeapByteBuffer[pos=0 lim={} cap={}]", data_bytes, data_bytes),
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

void StreamFields::judge(Violations& wrong, bool required) const {
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

StreamRef StreamFields::ref() const {
  if (name) return {*name};
  if (arn) return {arn->substr(arn->find(":stream/") + 8)};
  return {};
}

std::expected<StreamRef, AwsError> StreamFields::judged(Violations& wrong, bool required) const {
  judge(wrong, required);
  if (!wrong.empty()) return std::unexpected(wrong.error());
  return ref();
}

std::optional<AwsError> RecordsJudge::add(RecordFields const& record) {
  if (++count_ > KinesisLimits::records) {
    wrong_.add(fmt::format("[{} records]", count_), "records",
               "Member must have length less than or equal to 10000");
    return wrong_.error();
  }
  record.judge(wrong_, [this] { return fmt::format("records.{}.member.", count_); });
  // Once something is wrong nothing will be stored: the rest is read for what else is wrong.
  return wrong_.empty() ? take_(*record.data) : std::nullopt;
}

std::expected<StreamRef, AwsError> RecordsJudge::end(bool seen, StreamFields const& stream) {
  if (!seen) wrong_.add_null("records");
  if (seen && count_ == 0)
    wrong_.add("[]", "records", "Member must have length greater than or equal to 1");
  return stream.judged(wrong_, true);
}

}  // namespace millrace::ingest
