#include "store/attempt_format.h"

#include <zstd.h>

#include "base/encoding.h"
#include "store/bytes.h"

namespace millrace::store {
namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::uint32_t most_raw = 64U << 20;

std::int64_t ns_of(WallTime time) { return time.time_since_epoch().count(); }

void put(Writer& out, model::Attempt const& attempt) {
  out.number(attempt.stream.uuid.high);
  out.number(attempt.stream.uuid.low);
  out.number(attempt.event.uuid.high);
  out.number(attempt.event.uuid.low);
  out.text(attempt.event_type);
  out.number(static_cast<std::uint8_t>(attempt.run));
  out.number(static_cast<std::uint8_t>(attempt.kind));
  out.number(attempt.number);
  out.number(static_cast<std::uint8_t>((attempt.resent ? 1 : 0) | (attempt.reused ? 2 : 0)));
  out.number(ns_of(attempt.at));
  out.number(static_cast<std::uint8_t>(attempt.outcome));
  out.number(static_cast<std::uint8_t>(attempt.failure));
  out.number(attempt.status);
  for (auto const span : {attempt.took, attempt.timing.dns, attempt.timing.connect,
                          attempt.timing.tls, attempt.timing.answer})
    out.number(std::int64_t{span.count()});
  for (auto const* const text :
       {&attempt.address, &attempt.reason, &attempt.response_headers, &attempt.response_body})
    out.text(*text);
}

model::Attempt take(Reader& in) {
  model::Attempt attempt;
  attempt.stream.uuid.high = in.number<std::uint64_t>();
  attempt.stream.uuid.low = in.number<std::uint64_t>();
  attempt.event.uuid.high = in.number<std::uint64_t>();
  attempt.event.uuid.low = in.number<std::uint64_t>();
  attempt.event_type = in.text();
  attempt.run = static_cast<model::Run>(in.number<std::uint8_t>());
  attempt.kind = static_cast<model::TryKind>(in.number<std::uint8_t>());
  attempt.number = in.number<std::uint8_t>();
  auto const flags = in.number<std::uint8_t>();
  attempt.resent = (flags & 1) != 0;
  attempt.reused = (flags & 2) != 0;
  attempt.at = WallTime(Duration(in.number<std::int64_t>()));
  attempt.outcome = static_cast<model::AttemptOutcome>(in.number<std::uint8_t>());
  attempt.failure = static_cast<model::FailureClass>(in.number<std::uint8_t>());
  attempt.status = in.number<std::uint16_t>();
  for (auto* const span : {&attempt.took, &attempt.timing.dns, &attempt.timing.connect,
                           &attempt.timing.tls, &attempt.timing.answer})
    *span = Duration(in.number<std::int64_t>());
  for (auto* const text :
       {&attempt.address, &attempt.reason, &attempt.response_headers, &attempt.response_body})
    *text = in.text();
  return attempt;
}

}  // namespace

std::string encode_attempts(std::vector<model::Attempt> const& attempts) {
  Writer plain;
  plain.number(static_cast<std::uint32_t>(attempts.size()));
  for (auto const& attempt : attempts) put(plain, attempt);
  auto const& raw = plain.bytes();
  std::string packed;
  packed.resize_and_overwrite(ZSTD_compressBound(raw.size()), [&](char* out, std::size_t room) {
    auto const size = ZSTD_compress(out, room, raw.data(), raw.size(), 1);
    check(ZSTD_isError(size) == 0, "zstd packs what fits its bound");
    return size;
  });
  Writer block;
  block.number(format_version);
  block.number(static_cast<std::uint32_t>(raw.size()));
  block.number(crc32c(packed));
  block.raw(packed);
  return block.take();
}

Result<std::vector<model::Attempt>> decode_attempts(std::string_view bytes) {
  Reader header(bytes);
  auto const version = header.number<std::uint8_t>();
  auto const raw_size = header.number<std::uint32_t>();
  auto const crc = header.number<std::uint32_t>();
  auto const packed = header.raw(header.left());
  if (!header.ok() || version != format_version || raw_size > most_raw || crc32c(packed) != crc)
    return fail(Fault::corrupt, "a block of attempts is damaged");
  std::string raw;
  raw.resize_and_overwrite(raw_size, [&](char* out, std::size_t room) {
    auto const size = ZSTD_decompress(out, room, packed.data(), packed.size());
    return ZSTD_isError(size) != 0 ? 0 : size;
  });
  Reader in(raw);
  auto const count = in.number<std::uint32_t>();
  std::vector<model::Attempt> attempts;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) attempts.push_back(take(in));
  if (!in.ok() || !in.at_end()) return fail(Fault::corrupt, "a block of attempts is damaged");
  return attempts;
}

}  // namespace millrace::store
