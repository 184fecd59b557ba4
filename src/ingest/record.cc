#include "ingest/record.h"

#include <fmt/format.h>

#include "ingest/aggregated.h"
#include "model/event_block.h"

namespace millrace::ingest {
namespace {

using Limits = model::Limits;

std::unexpected<RecordTrouble> refuse(Refusal why, std::string reason) {
  return std::unexpected(RecordTrouble{Refused{why, std::move(reason)}});
}

class Opening {
 public:
  Opening(std::size_t before, ExpandedMemory::Hold& held, Turns& turns)
      : before_(before), held_(held), turns_(turns) {}

  // What the compressed `text` is.
  io::Task<std::expected<std::string_view, RecordTrouble>> expanded(Coding coding,
                                                                    std::string_view text) {
    if (!held_.reach(before_ + out_.expanded_bytes + Limits::event_bytes))
      co_return std::unexpected(RecordTrouble{});
    auto plain = co_await expand_record(coding, text, Limits::event_bytes, turns_);
    std::string_view const name = coding == Coding::gzip ? "gzip" : "zstd";
    if (!plain && plain.error() == Expander::State::too_large)
      co_return refuse(
          Refusal::too_large,
          fmt::format("event: its {} expands to more than the {} bytes that one may have", name,
                      Limits::event_bytes));
    if (!plain) co_return refuse(Refusal::invalid, fmt::format("event: its {} is damaged", name));
    out_.expanded_bytes += plain->size();
    if (out_.expanded_bytes > RecordLimits::expanded_bytes)
      co_return refuse(Refusal::too_large, fmt::format("record: expands to more than {} bytes",
                                                       RecordLimits::expanded_bytes));
    co_return out_.kept.emplace_back(std::move(*plain));
  }
  OpenedRecord& out() { return out_; }

 private:
  std::size_t before_;
  ExpandedMemory::Hold& held_;
  Turns& turns_;
  OpenedRecord out_;
};

}  // namespace

bool is_plain_record(std::string_view data) { return !coding_of(data) && !is_aggregated(data); }

io::Task<std::expected<OpenedRecord, RecordTrouble>> open_record(std::string_view data,
                                                                 std::size_t before,
                                                                 ExpandedMemory::Hold& held,
                                                                 Turns& turns) {
  Opening opening(before, held, turns);
  std::expected<std::string_view, RecordTrouble> whole = data;
  if (auto const coding = coding_of(data)) whole = co_await opening.expanded(*coding, data);
  if (!whole) co_return std::unexpected(whole.error());
  if (!is_aggregated(*whole)) {
    opening.out().texts.push_back(*whole);
    co_return std::move(opening.out());
  }
  auto const records = read_aggregated(*whole, RecordLimits::events);
  if (!records)
    co_return refuse(Refusal::invalid,
                     "record: looks like one that KPL has aggregated, but " + records.error().what);
  for (auto const record : *records) {
    if (turns.spend(record.size())) co_await turns.next();
    std::expected<std::string_view, RecordTrouble> text = record;
    if (auto const coding = coding_of(record)) text = co_await opening.expanded(*coding, record);
    // A user record that cannot be read is one dead letter of many; only what the whole runs into ends it.
    if (!text &&
        (!text.error().refused || opening.out().expanded_bytes > RecordLimits::expanded_bytes))
      co_return std::unexpected(text.error());
    opening.out().texts.push_back(text ? *text : record);
  }
  co_return std::move(opening.out());
}

}  // namespace millrace::ingest
