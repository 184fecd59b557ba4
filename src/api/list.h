// Lists: made and sent in pieces, so that a page costs little memory and no loop's time in one stretch, however much is asked for.
//   Ends     A page ends at its limit of items, or when it has about 4 MiB, or after a number of reads that found nothing to show:
//            `next` goes on from there, and is null only at the end of the list.
//   Failure  One that shows before the first piece is a problem; a later one cuts the connection, so that no reader takes the page for
//            whole.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/context.h"
#include "api/seats.h"

namespace millrace::api {

struct ListLimits {
  static constexpr std::size_t page_bytes = 4 * 1024 * 1024;
  static constexpr std::size_t piece_bytes = 1024 * 1024;
  // Of texts asked of the store for one piece: as JSON, where a byte may become six, they are a piece.
  static constexpr std::size_t raw_bytes = piece_bytes / 6;
  // A page below this is answered at once, and needs no seat while it is sent.
  static constexpr std::size_t small_bytes = 64 * 1024;
};

struct Rows {
  std::vector<std::string> items;  // JSON
  std::string next;                // cursor behind what was looked at; empty: the end
};

// What a list is made of. Owned by the answer, so it keeps no reference to the request; what it refers to outlives the Api.
class RowSource {
 public:
  virtual ~RowSource() = default;
  // From behind `after` on: `most` items at the most, of about ListLimits::piece_bytes of JSON. There may be none though `next` is set.
  virtual io::Task<Result<Rows>> read(std::string after, std::size_t most) = 0;
  virtual std::size_t most_reads() const { return 50; }  // for one page
};

// {"items": […], "next": …} with `extra` before them ({} or members, `"dropped":3,`).
io::Task<http::ServerResponse> list_answer(Context& context, Call const& call, PageAsk ask,
                                           std::unique_ptr<RowSource> rows, std::string extra = "");

// Rows of what is in memory already, in the order of their keys, from the one after the cursor on.
template <class Item>
class ItemRows final : public RowSource {
 public:
  using KeyOf = std::function<std::string(Item const&)>;
  using ShowAs = std::function<std::string(Item const&)>;
  ItemRows(std::vector<Item> items, KeyOf key_of, ShowAs show_as)
      : items_(std::move(items)), key_of_(std::move(key_of)), show_as_(std::move(show_as)) {}

  io::Task<Result<Rows>> read(std::string after, std::size_t most) override {
    Rows rows;
    std::size_t bytes = 0;
    while (at_ < items_.size() && !after.empty() && key_of_(items_[at_]) <= after) ++at_;
    while (at_ < items_.size() && rows.items.size() < most && bytes < ListLimits::piece_bytes / 2) {
      rows.items.push_back(show_as_(items_[at_++]));
      bytes += rows.items.back().size();
    }
    if (at_ < items_.size() && at_ > 0) rows.next = key_of_(items_[at_ - 1]);
    co_return rows;
  }

 private:
  std::vector<Item> items_;
  KeyOf key_of_;
  ShowAs show_as_;
  std::size_t at_ = 0;
};

template <class Item>
std::unique_ptr<RowSource> item_rows(std::vector<Item> items, typename ItemRows<Item>::KeyOf key_of,
                                     typename ItemRows<Item>::ShowAs show_as) {
  return std::make_unique<ItemRows<Item>>(std::move(items), std::move(key_of), std::move(show_as));
}

}  // namespace millrace::api
