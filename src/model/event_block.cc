#include "model/event_block.h"

namespace millrace::model {
namespace {
constexpr std::string_view before_metadata = R"({"metadata":)";
constexpr std::string_view before_body = R"(,"body":)";
}  // namespace

std::string_view EventView::metadata() const {
  return payload.substr(before_metadata.size(), metadata_bytes);
}

std::string_view EventView::body() const {
  auto const start = before_metadata.size() + metadata_bytes + before_body.size();
  return payload.substr(start, payload.size() - start - 1);
}

std::uint32_t EventBlock::kind_index(std::string_view account, std::string_view type) {
  // Events of one kind come in runs, and a block has few kinds: the newest first is quicker than a map.
  for (std::size_t i = kinds_.size(); i-- > 0;)
    if (kinds_[i].kind.type == type && kinds_[i].kind.account == account)
      return static_cast<std::uint32_t>(i);
  kinds_.push_back({{std::string(account), std::string(type)}, 0});
  return static_cast<std::uint32_t>(kinds_.size() - 1);
}

void EventBlock::add(std::string_view account, std::string_view type, std::string_view metadata,
                     std::string_view body) {
  auto const kind = kind_index(account, type);
  ++kinds_[kind].events;
  bytes_.append(before_metadata).append(metadata).append(before_body).append(body).push_back('}');
  events_.push_back({kind, static_cast<std::uint32_t>(bytes_.size()),
                     static_cast<std::uint32_t>(metadata.size())});
}

void EventBlock::add(Kind const& kind, std::string_view payload, std::uint32_t metadata_bytes) {
  auto const index = kind_index(kind.account, kind.type);
  ++kinds_[index].events;
  bytes_.append(payload);
  events_.push_back({index, static_cast<std::uint32_t>(bytes_.size()), metadata_bytes});
}

void EventBlock::reserve(std::size_t payload_bytes, std::size_t events) {
  bytes_.reserve(bytes_.size() + payload_bytes);
  events_.reserve(events_.size() + events);
}

EventView EventBlock::operator[](std::size_t i) const {
  auto const start = i == 0 ? 0 : events_[i - 1].end;
  auto const& row = events_[i];
  return {row.kind, std::string_view(bytes_).substr(start, row.end - start), row.metadata_bytes};
}

Result<EventBlock> EventBlock::from_parts(std::string bytes, std::vector<Row> rows,
                                          std::vector<KindCount> kinds) {
  std::vector<std::uint32_t> counts(kinds.size(), 0);
  std::size_t start = 0;
  constexpr std::size_t wrapper = before_metadata.size() + before_body.size() + 1;
  for (auto const& row : rows) {
    if (row.kind >= kinds.size() || row.end > bytes.size() ||
        row.end < start + wrapper + row.metadata_bytes)
      return fail(Fault::corrupt, "record batch: an event lies outside its batch");
    ++counts[row.kind];
    start = row.end;
  }
  if (start != bytes.size())
    return fail(Fault::corrupt, "record batch: bytes that belong to no event");
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if (counts[i] != kinds[i].events)
      return fail(Fault::corrupt, "record batch: counts do not match its events");
  EventBlock block;
  block.bytes_ = std::move(bytes);
  block.events_ = std::move(rows);
  block.kinds_ = std::move(kinds);
  return block;
}

}  // namespace millrace::model
