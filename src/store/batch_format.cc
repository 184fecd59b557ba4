#include "store/batch_format.h"

#include <fmt/format.h>
#include <lz4.h>

#include "base/encoding.h"
#include "store/bytes.h"

namespace millrace::store {
namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::uint8_t repeats_version = 1;
enum class Codec : std::uint8_t { none = 0, lz4 = 1 };

constexpr std::uint32_t most_raw =
    64U << 20;  // more than any batch can have: a wrong number asks for no memory
constexpr std::uint32_t most_events = 65'536;  // the low 16 bits of an id
constexpr std::size_t row_bytes = 12;

struct Header {
  Codec codec{};
  WallTime accepted_at{};
  Uuid first_id;
  std::uint32_t events = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t body_crc = 0;
  std::vector<model::KindCount> kinds;
};

std::unexpected<Error> damaged(std::uint64_t number, std::string_view what) {
  return fail(Fault::corrupt, fmt::format("record batch {}: {}", number, what));
}

Result<Header> decode_header(std::uint64_t number, std::string_view bytes) {
  if (bytes.size() < 4) return damaged(number, "its header is damaged or cut off");
  auto const content = bytes.substr(0, bytes.size() - 4);
  if (Reader(bytes.substr(content.size())).number<std::uint32_t>() != crc32c(content))
    return damaged(number, "the checksum of its header is wrong");
  Reader in(content);
  if (auto const version = in.number<std::uint8_t>(); version != format_version)
    return damaged(number, fmt::format("has the unknown format {}", version));
  Header header;
  header.codec = static_cast<Codec>(in.number<std::uint8_t>());
  if (in.number<std::uint64_t>() != number) return damaged(number, "stands in another's place");
  header.accepted_at = from_unix_ms(in.number<std::int64_t>());
  header.first_id.high = in.number<std::uint64_t>();
  header.first_id.low = in.number<std::uint64_t>();
  header.events = in.number<std::uint32_t>();
  header.raw_bytes = in.number<std::uint32_t>();
  header.body_crc = in.number<std::uint32_t>();
  auto const kinds = in.number<std::uint32_t>();
  if (kinds > most_events || header.events > most_events || header.raw_bytes > most_raw)
    return damaged(number, "its header makes no sense");
  for (std::uint32_t i = 0; i < kinds && in.ok(); ++i) {
    auto const count = in.number<std::uint32_t>();
    auto const account = in.text();
    auto const type = in.text();
    header.kinds.push_back({{std::string(account), std::string(type)}, count});
  }
  if (!in.ok() || !in.at_end()) return damaged(number, "its header makes no sense");
  return header;
}

}  // namespace

StoredBatch encode_batch(RecordBatch const& batch) {
  auto const& events = batch.events;
  check(events.size() <= most_events, "a batch has at most 65,536 events");
  Writer raw;
  for (auto const& row : events.rows()) {
    raw.number(row.kind);
    raw.number(row.end);
    raw.number(row.metadata_bytes);
  }
  raw.raw(events.bytes());
  auto const plain = raw.take();
  check(plain.size() <= most_raw, "a batch is small");

  StoredBatch stored;
  auto codec = Codec::lz4;
  auto const size = static_cast<int>(plain.size());
  stored.body.resize_and_overwrite(
      static_cast<std::size_t>(LZ4_compressBound(size)), [&](char* out, std::size_t room) {
        return static_cast<std::size_t>(
            LZ4_compress_default(plain.data(), out, size, static_cast<int>(room)));
      });
  if (stored.body.empty() || stored.body.size() >= plain.size()) {
    codec = Codec::none;
    stored.body = plain;
  }

  Writer header;
  header.number(format_version);
  header.number(static_cast<std::uint8_t>(codec));
  header.number(batch.number);
  header.number(unix_ms(batch.accepted_at));
  header.number(batch.first_id.high);
  header.number(batch.first_id.low);
  header.number(static_cast<std::uint32_t>(events.size()));
  header.number(static_cast<std::uint32_t>(plain.size()));
  header.number(crc32c(stored.body));
  header.number(static_cast<std::uint32_t>(events.kinds().size()));
  for (auto const& [kind, count] : events.kinds()) {
    header.number(count);
    header.text(kind.account);
    header.text(kind.type);
  }
  header.number(crc32c(header.bytes()));
  stored.header = header.take();
  return stored;
}

Result<SharedBatch> decode_batch(std::uint64_t number, std::string_view header_bytes,
                                 std::string_view body, std::uint64_t changes) {
  auto header = decode_header(number, header_bytes);
  if (!header) return pass(header);
  if (crc32c(body) != header->body_crc)
    return damaged(number, "the checksum of its events is wrong");

  std::string plain;
  if (header->codec == Codec::lz4) {
    int got = -1;
    plain.resize_and_overwrite(header->raw_bytes, [&](char* out, std::size_t room) {
      got = LZ4_decompress_safe(body.data(), out, static_cast<int>(body.size()),
                                static_cast<int>(room));
      return got < 0 ? 0 : static_cast<std::size_t>(got);
    });
  } else if (header->codec == Codec::none) {
    plain.assign(body);
  }
  auto const all_rows = header->events * row_bytes;
  if (plain.size() != header->raw_bytes || plain.size() < all_rows)
    return damaged(number, "its events cannot be unpacked");

  Reader in(plain);
  std::vector<model::EventBlock::Row> rows(header->events);
  for (auto& row : rows) {
    row.kind = in.number<std::uint32_t>();
    row.end = in.number<std::uint32_t>();
    row.metadata_bytes = in.number<std::uint32_t>();
  }
  plain.erase(0, all_rows);
  auto events =
      model::EventBlock::from_parts(std::move(plain), std::move(rows), std::move(header->kinds));
  if (!events) return pass(events);
  auto batch = std::make_shared<RecordBatch>();
  batch->number = number;
  batch->accepted_at = header->accepted_at;
  batch->first_id = header->first_id;
  batch->changes = changes;
  batch->events = std::move(*events);
  return batch;
}

Result<BatchSummary> decode_summary(std::uint64_t number, std::string_view header_bytes) {
  auto header = decode_header(number, header_bytes);
  if (!header) return pass(header);
  return BatchSummary{number, header->accepted_at, std::move(header->kinds)};
}

std::string encode_repeats(std::vector<SharedRepeat> const& repeats) {
  Writer out;
  out.number(repeats_version);
  out.number(static_cast<std::uint32_t>(repeats.size()));
  for (auto const& repeat : repeats) {
    out.text(repeat->key);
    out.text(repeat->body_hash);
    out.text(repeat->answer);
    out.number(repeat->expires_ms);
    out.number(repeat->first.batch);
    out.number(repeat->first.index);
  }
  return out.take();
}

Result<std::vector<Repeat>> decode_repeats(std::string_view bytes) {
  Reader in(bytes);
  bool const known = in.number<std::uint8_t>() == repeats_version;
  auto const count = in.number<std::uint32_t>();
  std::vector<Repeat> repeats;
  for (std::uint32_t i = 0; known && i < count && in.ok(); ++i) {
    Repeat repeat;
    repeat.key = in.text();
    repeat.body_hash = in.text();
    repeat.answer = in.text();
    repeat.expires_ms = in.number<std::int64_t>();
    repeat.first.batch = in.number<std::uint64_t>();
    repeat.first.index = in.number<std::uint32_t>();
    repeats.push_back(std::move(repeat));
  }
  if (!known || !in.ok() || !in.at_end())
    return fail(Fault::corrupt, "the repeat keys of a commit make no sense");
  return repeats;
}

std::size_t memory_of(RecordBatch const& batch) {
  return sizeof batch + batch.events.payload_bytes() +
         batch.events.size() * sizeof(model::EventBlock::Row) + batch.events.kinds().size() * 128;
}

BatchSummary summary_of(RecordBatch const& batch) {
  return {batch.number, batch.accepted_at, batch.events.kinds()};
}

}  // namespace millrace::store
