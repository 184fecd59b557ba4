#include "ingest/aggregated.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "crypto/digest.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view magic = "\xF3\x89\x9A\xC2";
constexpr std::size_t checksum_bytes = 16;

struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // of a varint
  std::string_view bytes;   // of what has a length
};

// The fields of one message.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}
  bool ended() const { return rest_.empty(); }

  // nullopt: malformed.
  std::optional<Field> next() {
    auto const tag = varint();
    if (!tag || *tag >> 3 == 0) return std::nullopt;
    Field field;
    field.number = *tag >> 3;
    switch (*tag & 7) {
      case 0: {
        auto const value = varint();
        if (!value) return std::nullopt;
        field.value = *value;
        return field;
      }
      case 1:
        return take(field, 8);
      case 2: {
        auto const length = varint();
        if (!length) return std::nullopt;
        return take(field, *length);
      }
      case 5:
        return take(field, 4);
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return std::nullopt;
      auto const byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  std::optional<Field> take(Field field, std::uint64_t length) {
    if (length > rest_.size()) return std::nullopt;
    field.bytes = rest_.substr(0, static_cast<std::size_t>(length));
    rest_.remove_prefix(field.bytes.size());
    return field;
  }

  std::string_view rest_;
};

struct UserRecord {
  std::uint64_t key = 0;
  std::string_view data;
};

std::optional<UserRecord> user_record(std::string_view bytes) {
  UserRecord record;
  bool has_key = false, has_data = false;
  for (Message message(bytes); !message.ended();) {
    auto const field = message.next();
    if (!field) return std::nullopt;
    if (field->number == 1) record.key = field->value, has_key = true;
    if (field->number == 3) record.data = field->bytes, has_data = true;
  }
  return has_key && has_data ? std::optional(record) : std::nullopt;
}

}  // namespace

bool is_aggregated(std::string_view data) { return data.starts_with(magic); }

Result<std::vector<std::string_view>> read_aggregated(std::string_view data, std::size_t most) {
  if (!is_aggregated(data) || data.size() < magic.size() + checksum_bytes)
    return fail(Fault::invalid, "is cut short");
  auto const body = data.substr(magic.size(), data.size() - magic.size() - checksum_bytes);
  if (crypto::md5(body) != data.substr(magic.size() + body.size()))
    return fail(Fault::invalid, "has a wrong checksum");
  std::vector<std::string_view> records;
  std::uint64_t keys = 0, largest_key = 0;
  for (Message message(body); !message.ended();) {
    auto const field = message.next();
    if (!field) return fail(Fault::invalid, "is malformed");
    if (field->number == 1) ++keys;
    if (field->number != 3) continue;
    if (records.size() == most)
      return fail(Fault::invalid, fmt::format("holds more than {} records", most));
    auto const record = user_record(field->bytes);
    if (!record) return fail(Fault::invalid, "has a malformed record");
    largest_key = std::max(largest_key, record->key);
    records.push_back(record->data);
  }
  if (!records.empty() && largest_key >= keys)
    return fail(Fault::invalid, "has a record whose partition key is not in its table");
  return records;
}

}  // namespace millrace::ingest
