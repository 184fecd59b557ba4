#include "model/event_block.h"

namespace millrace::model {
namespace {
constexpr std::string_view before_metadata = R"({"metadata":)";
constexpr std::string_view before_body = R"(,"body":)";
constexpr std::size_t few_kinds = 16;
}  // namespace

std::string_view EventView::metadata() const {
  return payload.substr(before_metadata.size(), metadata_bytes);
}

std::string_view EventView::body() const {
  auto const start = before_metadata.size() + metadata_bytes + before_body.size();
  return payload.substr(start, payload.size() - start - 1);
}

std::uint32_t KindTable::count(std::string_view account, std::string_view type) {
  auto const place = place_of(account, type);
  ++kinds_[place].events;
  return place;
}

std::uint32_t KindTable::place_of(std::string_view account, std::string_view type) {
  // Events of one kind come in runs, and most blocks have few kinds: the newest first is quicker than the map.
  auto const first = kinds_.size() > few_kinds ? kinds_.size() - 1 : 0;
  for (auto i = kinds_.size(); i-- > first;) {
    ++comparisons_;
    if (kinds_[i].kind.type == type && kinds_[i].kind.account == account)
      return static_cast<std::uint32_t>(i);
  }
  if (kinds_.size() < few_kinds) return add(account, type);
  if (places_.empty())
    for (std::uint32_t i = 0; i < kinds_.size(); ++i)
      places_.emplace(Name{kinds_[i].kind.account, kinds_[i].kind.type}, i);
  auto const at = places_.lower_bound(Wanted{account, type, comparisons_});
  if (at != places_.end() && at->first.first == account && at->first.second == type)
    return at->second;
  auto const place = add(account, type);
  places_.emplace_hint(at, Name{account, type}, place);
  return place;
}

std::uint32_t KindTable::add(std::string_view account, std::string_view type) {
  kinds_.push_back({{std::string(account), std::string(type)}, 0});
  return static_cast<std::uint32_t>(kinds_.size() - 1);
}

void EventBlock::add(std::string_view account, std::string_view type, std::string_view metadata,
                     std::string_view body) {
  auto const kind = kinds_.count(account, type);
  bytes_.append(before_metadata).append(metadata).append(before_body).append(body).push_back('}');
  events_.push_back({kind, static_cast<std::uint32_t>(bytes_.size()),
                     static_cast<std::uint32_t>(metadata.size())});
}

void EventBlock::add(Kind const& kind, std::string_view payload, std::uint32_t metadata_bytes) {
  auto const index = kinds_.count(kind.account, kind.type);
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
  block.kinds_ = KindTable(std::move(kinds));
  return block;
}

}  // namespace millrace::model
