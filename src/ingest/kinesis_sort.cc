#include "ingest/kinesis_sort.h"

#include <utility>

#include "ingest/record.h"
#include "ingest/turns.h"

namespace millrace::ingest {
namespace {

constexpr std::size_t letter_bytes = 64 * 1024;

class Sorting {
 public:
  Sorting(model::Principal const& who, WallTime now) : who_(who), now_(now), sorter_(who, "key") {}

  void add(std::string_view text, RecordFate& fate) {
    auto refused = sorter_.add(text);
    if (refused) return refuse(text, std::move(*refused), fate);
    ++fate.events;
  }
  void refuse(std::string_view text, Refused refused, RecordFate& fate) {
    ++fate.letters;
    ++out_.refused[static_cast<std::size_t>(refused.why)];
    // The account of a letter decides who may see it: the key's own, never one that the record claims.
    std::string account =
        who_.accounts.size() == 1 && !who_.sees_all() ? who_.accounts.front() : std::string();
    auto owner = account.empty() ? who_.id : account;
    out_.letters.push_back({"", now_, "kinesis", std::move(account), std::move(refused.reason),
                            std::string(text.substr(0, letter_bytes)), std::move(owner)});
  }
  std::size_t taken() { return sorter_.block().size() + out_.letters.size(); }
  model::EventBlock& block() { return sorter_.block(); }
  SortedRecords done(std::vector<RecordFate> fates) {
    out_.block = std::move(sorter_.block());
    out_.fates = std::move(fates);
    out_.letters_made = out_.letters.size();
    return std::move(out_);
  }

 private:
  model::Principal const& who_;
  WallTime now_;
  Sorter sorter_;
  SortedRecords out_;
};

}  // namespace

io::Task<SortedRecords> sort_records(RecordData const& records, model::Principal const& who,
                                     WallTime now, ExpandedMemory::Hold& held, TurnMeter* meter,
                                     std::vector<RecordFate> const* again) {
  Sorting sorting(who, now);
  sorting.block().reserve(records.bytes.size(), records.size());
  std::vector<RecordFate> fates(records.size());
  Turns turns(meter);
  std::size_t expanded = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto const data = records[i];
    auto& fate = fates[i];
    if (turns.spend(data.size())) co_await turns.next();
    if (is_plain_record(data)) {
      // Aggregated records before this one may have filled the request.
      fate.left = again != nullptr ? (*again)[i].left : sorting.taken() >= RecordLimits::events;
      if (!fate.left) sorting.add(data, fate);
    } else if (again != nullptr && (*again)[i].left) {
      fate.left = true;
    } else {
      auto const opened = co_await open_record(data, expanded, held, turns);
      if (!opened && opened.error().refused) {
        sorting.refuse(data, *opened.error().refused, fate);
      } else if (!opened || (sorting.taken() > 0 &&
                             (sorting.taken() + opened->texts.size() > RecordLimits::events ||
                              expanded + opened->expanded_bytes > RecordLimits::expanded_bytes))) {
        fate.left = true;
      } else {
        expanded += opened->expanded_bytes;
        for (auto const text : opened->texts) {
          if (turns.spend(text.size())) co_await turns.next();
          sorting.add(text, fate);
        }
      }
    }
  }
  co_return sorting.done(std::move(fates));
}

}  // namespace millrace::ingest
