#include "store/attempt_format.h"

#include <zstd.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/encoding.h"
#include "store/bytes.h"

namespace millrace::store {
namespace {

// 1: the address beside each attempt, and nothing else of its connection. It is read, and no longer written.
constexpr std::uint8_t format_version = 2;
constexpr std::uint32_t most_raw = 64U << 20;

std::int64_t ns_of(WallTime time) { return time.time_since_epoch().count(); }

// The connections of a block, each once: nearly all attempts of a stream go over alike ones.
class Connections {
 public:
  std::uint64_t number_of(model::Attempt const& attempt) {
    auto const certificate = attempt.certificate ? number_of(*attempt.certificate) : 0;
    Key const key{attempt.address, attempt.tls_version, attempt.http, certificate};
    auto const [at, is_new] = numbers_.try_emplace(key, numbers_.size());
    if (is_new) {
      out_.text(attempt.address);
      out_.text(attempt.tls_version);
      out_.number(static_cast<std::uint8_t>(attempt.http));
      out_.varint(certificate);
    }
    return at->second;
  }
  void write(Writer& out) const {
    out.varint(certificate_numbers_.size());
    out.raw(certificates_.bytes());
    out.varint(numbers_.size());
    out.raw(out_.bytes());
  }

 private:
  using Key = std::tuple<std::string_view, std::string_view, model::HttpVersion, std::uint64_t>;
  using CertificateKey =
      std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;
  std::uint64_t number_of(model::PeerCertificate const& one) {  // from 1 on
    CertificateKey const key{one.sha256, one.subject, one.issuer, one.valid_to};
    auto const [at, is_new] =
        certificate_numbers_.try_emplace(key, certificate_numbers_.size() + 1);
    if (is_new)
      for (auto const* const text : {&one.subject, &one.issuer, &one.valid_to, &one.sha256})
        certificates_.text(*text);
    return at->second;
  }

  Writer out_, certificates_;
  std::map<Key, std::uint64_t> numbers_;
  std::map<CertificateKey, std::uint64_t> certificate_numbers_;
};

// What is read of them.
struct Connection {
  std::string address, tls_version;
  model::HttpVersion http{};
  std::shared_ptr<model::PeerCertificate const> certificate;
};

std::vector<Connection> take_connections(Reader& in) {
  std::vector<std::shared_ptr<model::PeerCertificate const>> certificates{nullptr};
  for (auto left = in.varint(); left > 0 && in.ok(); --left) {
    model::PeerCertificate one;
    for (auto* const text : {&one.subject, &one.issuer, &one.valid_to, &one.sha256})
      *text = in.text();
    certificates.push_back(std::make_shared<model::PeerCertificate const>(std::move(one)));
  }
  std::vector<Connection> connections;
  for (auto left = in.varint(); left > 0 && in.ok(); --left) {
    Connection one;
    one.address = in.text();
    one.tls_version = in.text();
    one.http =
        static_cast<model::HttpVersion>(std::min<std::uint8_t>(in.number<std::uint8_t>(), 2));
    auto const certificate = in.varint();
    if (certificate < certificates.size()) one.certificate = certificates[certificate];
    connections.push_back(std::move(one));
  }
  return connections;
}

void put(Writer& out, model::Attempt const& attempt, std::uint64_t connection) {
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
  auto const& timing = attempt.timing;
  for (auto const span : {attempt.took, timing.dns, timing.connect, timing.tls, timing.answer,
                          timing.first_byte, timing.body})
    out.varint(static_cast<std::uint64_t>(span.count()));
  out.varint(connection);
  for (auto const* const text :
       {&attempt.reason, &attempt.response_headers, &attempt.response_body})
    out.text(*text);
}

void take_timing(Reader& in, std::uint8_t version, model::Attempt& attempt) {
  auto& timing = attempt.timing;
  for (auto* const span :
       {&attempt.took, &timing.dns, &timing.connect, &timing.tls, &timing.answer})
    *span =
        Duration(version == 1 ? in.number<std::int64_t>() : static_cast<std::int64_t>(in.varint()));
  if (version == 1) return;
  for (auto* const span : {&timing.first_byte, &timing.body})
    *span = Duration(static_cast<std::int64_t>(in.varint()));
}

void take_connection(Reader& in, std::vector<Connection> const& connections,
                     model::Attempt& attempt) {
  auto const number = in.varint();
  if (number >= connections.size()) return;
  auto const& one = connections[number];
  attempt.address = one.address;
  attempt.tls_version = one.tls_version;
  attempt.http = one.http;
  attempt.certificate = one.certificate;
}

model::Attempt take(Reader& in, std::uint8_t version, std::vector<Connection> const& connections) {
  model::Attempt attempt;
  attempt.stream.uuid.high = in.number<std::uint64_t>();
  attempt.stream.uuid.low = in.number<std::uint64_t>();
  attempt.event.uuid.high = in.number<std::uint64_t>();
  attempt.event.uuid.low = in.number<std::uint64_t>();
  attempt.event_type = in.text();
  attempt.run = static_cast<model::Run>(
      std::min(in.number<std::uint8_t>(), static_cast<std::uint8_t>(model::Run::test)));
  attempt.kind = static_cast<model::TryKind>(in.number<std::uint8_t>());
  attempt.number = in.number<std::uint8_t>();
  auto const flags = in.number<std::uint8_t>();
  attempt.resent = (flags & 1) != 0;
  attempt.reused = (flags & 2) != 0;
  attempt.at = WallTime(Duration(in.number<std::int64_t>()));
  attempt.outcome = static_cast<model::AttemptOutcome>(in.number<std::uint8_t>());
  attempt.failure = static_cast<model::FailureClass>(in.number<std::uint8_t>());
  attempt.status = in.number<std::uint16_t>();
  take_timing(in, version, attempt);
  if (version == 1) {
    attempt.address = in.text();
  } else {
    take_connection(in, connections, attempt);
  }
  for (auto* const text : {&attempt.reason, &attempt.response_headers, &attempt.response_body})
    *text = in.text();
  return attempt;
}

}  // namespace

std::string encode_attempts(std::vector<model::Attempt> const& attempts) {
  Connections connections;
  Writer items;
  for (auto const& attempt : attempts) put(items, attempt, connections.number_of(attempt));
  Writer plain;
  plain.number(static_cast<std::uint32_t>(attempts.size()));
  connections.write(plain);
  plain.raw(items.bytes());
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
  if (!header.ok() || version == 0 || version > format_version || raw_size > most_raw ||
      crc32c(packed) != crc)
    return fail(Fault::corrupt, "a block of attempts is damaged");
  std::string raw;
  raw.resize_and_overwrite(raw_size, [&](char* out, std::size_t room) {
    auto const size = ZSTD_decompress(out, room, packed.data(), packed.size());
    return ZSTD_isError(size) != 0 ? 0 : size;
  });
  if (raw.size() != raw_size) return fail(Fault::corrupt, "a block of attempts is damaged");
  Reader in(raw);
  auto const count = in.number<std::uint32_t>();
  auto const connections = version == 1 ? std::vector<Connection>() : take_connections(in);
  std::vector<model::Attempt> attempts;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i)
    attempts.push_back(take(in, version, connections));
  if (!in.ok() || !in.at_end()) return fail(Fault::corrupt, "a block of attempts is damaged");
  return attempts;
}

}  // namespace millrace::store
