#include "store/state_format.h"

#include "base/encoding.h"
#include "store/bytes.h"

namespace millrace::store {
namespace {

// 1: without the times of the last success and failure; 2: every retry is of the live run, and what is applied is not
// known. Both are read, and no longer written.
constexpr std::uint8_t format_version = 3;

void put(Writer& out, Position const& at) {
  out.number(at.batch);
  out.number(at.index);
}
Position take_position(Reader& in) {
  Position at;
  at.batch = in.number<std::uint64_t>();
  at.index = in.number<std::uint32_t>();
  return at;
}

void put(Writer& out, Work const& work) {
  out.number(work.run);
  put(out, work.at);
}
Work take_work(Reader& in, std::uint8_t version) {
  Work work;
  if (version >= 3) work.run = in.number<std::uint32_t>();
  work.at = take_position(in);
  return work;
}

void put(Writer& out, WallTime time) { out.number(std::int64_t{time.time_since_epoch().count()}); }
WallTime take_time(Reader& in) { return WallTime(Duration(in.number<std::int64_t>())); }

void put(Writer& out, std::optional<WallTime> const& time) {
  out.number(static_cast<std::uint8_t>(time ? 1 : 0));
  if (time) put(out, *time);
}
std::optional<WallTime> take_maybe_time(Reader& in) {
  if (in.number<std::uint8_t>() == 0) return std::nullopt;
  return take_time(in);
}

void put(Writer& out, Uuid const& id) {
  out.number(id.high);
  out.number(id.low);
}
Uuid take_uuid(Reader& in) {
  Uuid id;
  id.high = in.number<std::uint64_t>();
  id.low = in.number<std::uint64_t>();
  return id;
}

template <class T, class Put>
void put_all(Writer& out, std::vector<T> const& items, Put const& one) {
  out.number(static_cast<std::uint32_t>(items.size()));
  for (auto const& item : items) one(item);
}
// A count that the bytes cannot hold ends at once, with the reader no longer ok().
template <class Take>
auto take_all(Reader& in, Take const& one) {
  std::vector<decltype(one())> items;
  auto const count = in.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) items.push_back(one());
  return items;
}

void put(Writer& out, StreamProgress const& progress) {
  put(out, progress.cursor);
  put_all(out, progress.settled_above, [&](Position const& at) { put(out, at); });
  out.number(progress.counted_to);
  auto const& counters = progress.counters;
  for (auto const count : {counters.matched, counters.delivered, counters.undelivered,
                           counters.skipped, counters.lost})
    out.number(count);
  put_all(out, progress.filters, [&](FilterVersion const& filter) {
    out.number(filter.from_batch);
    put_all(out, filter.event_types, [&](std::string const& type) { out.text(type); });
    out.text(filter.account);
  });
  put(out, progress.lost_from);
  put(out, progress.lost_to);
  put(out, progress.last_success);
  put(out, progress.last_failure);
  out.number(progress.applied.version);
  out.number(progress.applied.epoch);
}
StreamProgress take_progress(Reader& in, std::uint8_t version) {
  StreamProgress progress;
  progress.cursor = take_position(in);
  progress.settled_above = take_all(in, [&] { return take_position(in); });
  progress.counted_to = in.number<std::uint64_t>();
  auto& counters = progress.counters;
  for (auto* const count : {&counters.matched, &counters.delivered, &counters.undelivered,
                            &counters.skipped, &counters.lost})
    *count = in.number<std::uint64_t>();
  progress.filters = take_all(in, [&] {
    FilterVersion filter;
    filter.from_batch = in.number<std::uint64_t>();
    filter.event_types = take_all(in, [&] { return std::string(in.text()); });
    filter.account = in.text();
    return filter;
  });
  progress.lost_from = take_maybe_time(in);
  progress.lost_to = take_maybe_time(in);
  if (version == 1) return progress;
  progress.last_success = take_maybe_time(in);
  progress.last_failure = take_maybe_time(in);
  if (version == 2) return progress;
  progress.applied.version = in.number<std::uint64_t>();
  progress.applied.epoch = in.number<std::uint64_t>();
  return progress;
}

void put(Writer& out, Retry const& retry) {
  put(out, retry.work);
  put(out, retry.event.uuid);
  out.number(retry.tried);
  out.number(static_cast<std::uint8_t>(retry.run_kind));
  out.number(static_cast<std::uint8_t>(retry.failure));
  out.number(retry.status);
  put(out, retry.due);
  put(out, retry.first_tried);
  out.text(retry.kid);
  out.text(retry.payload_hash);
}
Retry take_retry(Reader& in, std::uint8_t version) {
  Retry retry;
  retry.work = take_work(in, version);
  retry.event.uuid = take_uuid(in);
  retry.tried = in.number<std::uint8_t>();
  retry.run_kind = static_cast<model::Run>(in.number<std::uint8_t>());
  retry.failure = static_cast<model::FailureClass>(in.number<std::uint8_t>());
  retry.status = in.number<std::uint16_t>();
  retry.due = take_time(in);
  retry.first_tried = take_time(in);
  retry.kid = in.text();
  retry.payload_hash = in.text();
  return retry;
}

void put(Writer& out, LedgerMinute const& minute) {
  out.number(minute.minute);
  for (auto const count : {minute.delivered, minute.attempts_failed, minute.undelivered_timeout,
                           minute.undelivered_other})
    out.number(count);
}
LedgerMinute take_minute(Reader& in) {
  LedgerMinute minute;
  minute.minute = in.number<std::int64_t>();
  for (auto* const count : {&minute.delivered, &minute.attempts_failed, &minute.undelivered_timeout,
                            &minute.undelivered_other})
    *count = in.number<std::uint32_t>();
  return minute;
}

// Every blob begins with its version and ends with its checksum.
template <class Put>
std::string sealed(Put const& content) {
  Writer out;
  out.number(format_version);
  content(out);
  out.number(crc32c(out.bytes()));
  return out.take();
}
template <class Take>
auto unsealed(std::string_view bytes, Take const& content)
    -> Result<decltype(content(std::declval<Reader&>(), format_version))> {
  if (bytes.size() < 5) return fail(Fault::corrupt, "state of a stream: is cut off");
  auto const body = bytes.substr(0, bytes.size() - 4);
  if (Reader(bytes.substr(body.size())).number<std::uint32_t>() != crc32c(body))
    return fail(Fault::corrupt, "state of a stream: its checksum is wrong");
  Reader in(body);
  auto const version = in.number<std::uint8_t>();
  if (version == 0 || version > format_version)
    return fail(Fault::corrupt, "state of a stream: has an unknown format");
  auto value = content(in, version);
  if (!in.ok() || !in.at_end()) return fail(Fault::corrupt, "state of a stream: makes no sense");
  return value;
}

std::string big_endian(Uuid const& id) {
  std::string key;
  for (auto const part : {id.high, id.low})
    for (int shift = 56; shift >= 0; shift -= 8)
      key.push_back(static_cast<char>((part >> shift) & 0xFF));
  return key;
}
Uuid from_big_endian(std::string_view key) {
  Uuid id;
  for (std::size_t i = 0; i < 16 && i < key.size(); ++i) {
    auto& part = i < 8 ? id.high : id.low;
    part = (part << 8) | static_cast<unsigned char>(key[i]);
  }
  return id;
}

}  // namespace

std::string key_of(StreamId stream) { return big_endian(stream.uuid); }
std::string key_of(EventId event) { return big_endian(event.uuid); }
StreamId stream_of(std::string_view key) { return {from_big_endian(key)}; }
EventId event_of(std::string_view key) { return {from_big_endian(key)}; }

std::string encode_progress(StreamProgress const& progress) {
  return sealed([&](Writer& out) { put(out, progress); });
}
Result<StreamProgress> decode_progress(std::string_view bytes) {
  return unsealed(bytes,
                  [](Reader& in, std::uint8_t version) { return take_progress(in, version); });
}

std::string encode_retry(Retry const& retry) {
  return sealed([&](Writer& out) { put(out, retry); });
}
Result<Retry> decode_retry(std::string_view bytes) {
  return unsealed(bytes, [](Reader& in, std::uint8_t version) { return take_retry(in, version); });
}

std::string encode_deltas(std::vector<StreamDelta> const& deltas) {
  return sealed([&](Writer& out) {
    put_all(out, deltas, [&](StreamDelta const& delta) {
      put(out, delta.stream.uuid);
      out.number(static_cast<std::uint8_t>(delta.removed ? 1 : 0));
      if (delta.removed) return;
      put(out, delta.progress);
      put_all(out, delta.retries, [&](Retry const& retry) { put(out, retry); });
      put_all(out, delta.retries_ended, [&](Work const& work) { put(out, work); });
      put_all(out, delta.ledger, [&](LedgerMinute const& minute) { put(out, minute); });
    });
  });
}

Result<std::vector<StreamDelta>> decode_deltas(std::string_view bytes) {
  return unsealed(bytes, [](Reader& in, std::uint8_t version) {
    return take_all(in, [&] {
      StreamDelta delta;
      delta.stream.uuid = take_uuid(in);
      delta.removed = in.number<std::uint8_t>() != 0;
      if (delta.removed) return delta;
      delta.progress = take_progress(in, version);
      delta.retries = take_all(in, [&] { return take_retry(in, version); });
      delta.retries_ended = take_all(in, [&] { return take_work(in, version); });
      delta.ledger = take_all(in, [&] { return take_minute(in); });
      return delta;
    });
  });
}

}  // namespace millrace::store
