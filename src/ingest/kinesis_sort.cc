#include "ingest/kinesis_sort.h"

#include <utility>

#include "ingest/record.h"
#include "ingest/turns.h"

namespace millrace::ingest {
namespace {

constexpr std::size_t letter_bytes = 64 * 1024;

class Sorting {
 public:
  Sorting(model::Principal const& who, WallTime now, Aside& aside)
      : who_(who), now_(now), aside_(aside), sorter_(who, "key") {}

  void add(std::string_view text, RecordFate& fate) { note(text, sorter_.add(text), fate); }
  io::Task<void> add_large(std::string_view text, RecordFate& fate) {
    note(text, co_await sorter_.add(text, aside_), fate);
  }
  void note(std::string_view text, std::optional<Refused> refused, RecordFate& fate) {
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
  Aside& aside_;
  Sorter sorter_;
  SortedRecords out_;
};

}  // namespace

io::Task<SortedRecords> sort_records(RecordData const& records, model::Principal const& who,
                                     WallTime now, ExpandedMemory::Hold& held, Aside& aside,
                                     std::vector<RecordFate> const* again) {
  Sorting sorting(who, now, aside);
  sorting.block().reserve(records.bytes.size(), records.size());
  std::vector<RecordFate> fates(records.size());
  Turns turns(aside.meter());
  std::size_t expanded = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto const data = records[i];
    auto& fate = fates[i];
    bool const is_large = aside.takes(data.size());
    if (turns.spend(is_large ? 0 : data.size())) co_await turns.next();
    if (is_plain_record(data)) {
      // Aggregated records before this one may have filled the request.
      fate.left = again != nullptr ? (*again)[i].left : sorting.taken() >= RecordLimits::events;
      if (fate.left) continue;
      if (is_large)
        co_await sorting.add_large(data, fate);
      else
        sorting.add(data, fate);
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
          if (aside.takes(text.size())) {
            co_await sorting.add_large(text, fate);
            continue;
          }
          if (turns.spend(text.size())) co_await turns.next();
          sorting.add(text, fate);
        }
      }
    }
  }
  co_return sorting.done(std::move(fates));
}

}  // namespace millrace::ingest
