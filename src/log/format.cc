#include "log/format.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/encoding.h"

namespace millrace::log {
namespace {

constexpr std::string_view file_magic("\xFFMRLOG\r\n", 8);
// The first byte stands in no UTF-8 text, so none in an event.
constexpr std::string_view frame_magic("\xFFMRF", 4);
constexpr std::string_view trailer_magic("\xFFMREND\r\n", 8);
constexpr std::uint32_t file_version = 1;
constexpr std::uint8_t frame_version = 1;
constexpr std::size_t header_copy_bytes = 116;
constexpr std::size_t second_copy = header_bytes / 2;
constexpr std::size_t mark_bytes = 24;

std::uint32_t last_number(std::string_view bytes) {
  return ByteReader(bytes.substr(bytes.size() - 4)).number<std::uint32_t>();
}

Salt read_salt(ByteReader& in) {
  auto const bytes = in.raw(16);
  return bytes.size() == 16 ? Salt::of(bytes) : Salt();
}

Result<FileHeader> decode_copy(std::string_view bytes) {
  auto const content = bytes.substr(0, header_copy_bytes - 4);
  if (!content.starts_with(file_magic) || last_number(bytes) != crc32c(content))
    return fail(Fault::corrupt, "the header of the log segment is damaged");
  ByteReader in(content.substr(file_magic.size()));
  if (auto const version = in.number<std::uint32_t>(); version != file_version)
    return fail(Fault::invalid, "the log segment was made by a newer version of Millrace");
  FileHeader header;
  header.salt = read_salt(in);
  header.first = in.number<std::uint64_t>();
  header.began_ms = in.number<std::int64_t>();
  header.never_from = in.number<std::uint64_t>();
  header.commit = in.number<std::uint64_t>();
  header.previous.first = in.number<std::uint64_t>();
  header.previous.end = in.number<std::uint64_t>();
  header.previous.salt = read_salt(in);
  return header;
}

}  // namespace

Salt Salt::of(std::string_view text) {
  check(text.size() == 16, "a salt has 16 bytes");
  Salt salt;
  std::ranges::copy(text, salt.bytes.begin());
  return salt;
}

std::uint32_t Salt::checksum(std::string_view of) const { return crc32c(of, crc32c(text())); }

std::string encode(FileHeader const& header) {
  ByteWriter copy;
  copy.raw(file_magic);
  copy.number(file_version);
  copy.raw(header.salt.text());
  copy.number(header.first);
  copy.number(header.began_ms);
  copy.number(header.never_from);
  copy.number(header.commit);
  copy.number(header.previous.first);
  copy.number(header.previous.end);
  copy.raw(header.previous.salt.text());
  copy.raw(std::string(header_copy_bytes - 4 - copy.bytes().size(), '\0'));
  copy.number(crc32c(copy.bytes()));
  std::string block(header_bytes, '\0');
  std::ranges::copy(copy.bytes(), block.begin());
  std::ranges::copy(copy.bytes(), block.begin() + second_copy);
  return block;
}

Result<FileHeader> decode_header(std::string_view block) {
  if (block.size() < header_copy_bytes) return fail(Fault::corrupt, "the log segment is cut off");
  auto first = decode_copy(block.substr(0, header_copy_bytes));
  if (first || first.error().fault == Fault::invalid ||
      block.size() < second_copy + header_copy_bytes)
    return first;
  return decode_copy(block.substr(second_copy, header_copy_bytes));
}

std::string encode(Prefix const& prefix, Salt const& salt) {
  ByteWriter out;
  out.raw(frame_magic);
  out.number(frame_version);
  out.number(static_cast<std::uint8_t>(prefix.kind));
  out.number(prefix.index);
  out.number(prefix.frames);
  out.number(std::uint16_t{0});
  out.number(prefix.events);
  out.raw(salt.text());
  out.number(prefix.place);
  out.number(prefix.number);
  out.number(prefix.commit);
  out.number(prefix.change);
  out.number(prefix.checkpoint);
  out.number(prefix.accepted_ms);
  out.number(prefix.first_id.high);
  out.number(prefix.first_id.low);
  out.number(prefix.head_bytes);
  out.number(prefix.body_bytes);
  out.number(prefix.head_checksum);
  out.number(prefix.body_checksum);
  out.raw(std::string(prefix_bytes - 4 - out.bytes().size(), '\0'));
  out.number(salt.checksum(out.bytes()));
  return out.take();
}

bool may_begin_frame(std::string_view bytes) { return bytes.starts_with(frame_magic); }

std::optional<Prefix> decode_prefix(std::string_view bytes, Salt const& salt, std::uint64_t place) {
  if (bytes.size() < prefix_bytes || !may_begin_frame(bytes)) return std::nullopt;
  auto const content = bytes.substr(0, prefix_bytes - 4);
  if (last_number(bytes.substr(0, prefix_bytes)) != salt.checksum(content)) return std::nullopt;
  ByteReader in(content.substr(frame_magic.size()));
  if (in.number<std::uint8_t>() != frame_version) return std::nullopt;
  Prefix prefix;
  prefix.kind = static_cast<FrameKind>(in.number<std::uint8_t>());
  prefix.index = in.number<std::uint16_t>();
  prefix.frames = in.number<std::uint16_t>();
  static_cast<void>(in.number<std::uint16_t>());
  prefix.events = in.number<std::uint32_t>();
  if (read_salt(in) != salt) return std::nullopt;
  prefix.place = in.number<std::uint64_t>();
  prefix.number = in.number<std::uint64_t>();
  prefix.commit = in.number<std::uint64_t>();
  prefix.change = in.number<std::uint64_t>();
  prefix.checkpoint = in.number<std::uint64_t>();
  prefix.accepted_ms = in.number<std::int64_t>();
  prefix.first_id.high = in.number<std::uint64_t>();
  prefix.first_id.low = in.number<std::uint64_t>();
  prefix.head_bytes = in.number<std::uint32_t>();
  prefix.body_bytes = in.number<std::uint32_t>();
  prefix.head_checksum = in.number<std::uint32_t>();
  prefix.body_checksum = in.number<std::uint32_t>();
  bool const makes_sense = prefix.place == place && prefix.index < prefix.frames &&
                           prefix.head_bytes <= most_section_bytes &&
                           prefix.body_bytes <= most_section_bytes &&
                           prefix.kind >= FrameKind::batch && prefix.kind <= FrameKind::footer;
  return makes_sense ? std::optional(prefix) : std::nullopt;
}

std::string encode(Summary const& summary) {
  ByteWriter out;
  out.number(summary.end);
  out.number(summary.next);
  out.number(summary.commit);
  out.number(summary.batches);
  out.number(summary.events);
  out.number(summary.first_ms);
  out.number(summary.last_ms);
  out.number(summary.first_id.high);
  out.number(summary.first_id.low);
  out.number(summary.last_id.high);
  out.number(summary.last_id.low);
  out.number(summary.change);
  out.number(summary.checkpoint);
  out.number(summary.marks);
  out.number(summary.keys);
  return out.take();
}

Result<Summary> decode_summary(std::string_view bytes) {
  ByteReader in(bytes);
  Summary summary;
  summary.end = in.number<std::uint64_t>();
  summary.next = in.number<std::uint64_t>();
  summary.commit = in.number<std::uint64_t>();
  summary.batches = in.number<std::uint64_t>();
  summary.events = in.number<std::uint64_t>();
  summary.first_ms = in.number<std::int64_t>();
  summary.last_ms = in.number<std::int64_t>();
  summary.first_id.high = in.number<std::uint64_t>();
  summary.first_id.low = in.number<std::uint64_t>();
  summary.last_id.high = in.number<std::uint64_t>();
  summary.last_id.low = in.number<std::uint64_t>();
  summary.change = in.number<std::uint64_t>();
  summary.checkpoint = in.number<std::uint64_t>();
  summary.marks = in.number<std::uint64_t>();
  summary.keys = in.number<std::uint64_t>();
  if (!in.ok() || !in.at_end())
    return fail(Fault::corrupt, "the footer of the log segment makes no sense");
  return summary;
}

std::string encode(Index const& index) {
  ByteWriter out;
  for (auto const& mark : index.marks) {
    out.number(mark.number);
    out.number(mark.accepted_ms);
    out.number(mark.place);
  }
  for (auto const place : index.keys) out.number(place);
  return out.take();
}

Result<Index> decode_index(std::string_view bytes, Summary const& summary) {
  auto const most = bytes.size() / 8;
  if (summary.marks > most || summary.keys > most ||
      bytes.size() != summary.marks * mark_bytes + summary.keys * 8)
    return fail(Fault::corrupt, "the index of the log segment makes no sense");
  ByteReader in(bytes);
  Index index;
  index.marks.resize(summary.marks);
  for (auto& mark : index.marks) {
    mark.number = in.number<std::uint64_t>();
    mark.accepted_ms = in.number<std::int64_t>();
    mark.place = in.number<std::uint64_t>();
  }
  index.keys.resize(summary.keys);
  for (auto& place : index.keys) place = in.number<std::uint64_t>();
  return index;
}

std::string encode_trailer(std::uint64_t footer, std::uint64_t place, Salt const& salt) {
  ByteWriter out;
  out.raw(trailer_magic);
  out.raw(salt.text());
  out.number(footer);
  out.number(place);
  out.raw(std::string(trailer_bytes - 4 - out.bytes().size(), '\0'));
  out.number(salt.checksum(out.bytes()));
  return out.take();
}

std::optional<std::uint64_t> decode_trailer(std::string_view bytes, std::uint64_t place,
                                            Salt const& salt) {
  if (bytes.size() != trailer_bytes || !bytes.starts_with(trailer_magic)) return std::nullopt;
  if (last_number(bytes) != salt.checksum(bytes.substr(0, trailer_bytes - 4))) return std::nullopt;
  ByteReader in(bytes.substr(trailer_magic.size()));
  if (read_salt(in) != salt) return std::nullopt;
  auto const footer = in.number<std::uint64_t>();
  return in.number<std::uint64_t>() == place ? std::optional(footer) : std::nullopt;
}

}  // namespace millrace::log
