#include "store/attempt_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "store/attempt_format.h"
#include "store/state_format.h"

namespace millrace::store {
namespace {

constexpr auto longest_try =
    std::chrono::minutes(5);  // blocks are in the order of ends, `at` is a begin

bool fits(AttemptQuery const& query, model::Attempt const& attempt) {
  using model::AttemptOutcome;
  if (!query.any_stream && attempt.stream != query.stream) return false;
  // "failed" is what people look for when they ask what went wrong: it includes those whose run goes on.
  if (query.outcome && (*query.outcome == AttemptOutcome::delivered) !=
                           (attempt.outcome == AttemptOutcome::delivered))
    return false;
  if (query.event_type && *query.event_type != attempt.event_type) return false;
  if (query.event && *query.event != attempt.event) return false;
  return !query.since || attempt.at >= *query.since;
}

bool names(std::string_view streams, std::string_view key) {
  for (std::size_t at = 0; at + key.size() <= streams.size(); at += key.size())
    if (streams.substr(at, key.size()) == key) return true;
  return false;
}

// Blocks of which only the header is looked at are cheap, but not free.
constexpr std::size_t headers_a_block = 64;

}  // namespace

struct AttemptSearch::Search {
  Search(AttemptQuery const& of, std::string stream, std::size_t most, std::size_t budget)
      : query(of), key(std::move(stream)), limit(most), steps_left(budget) {}

  AttemptQuery const& query;
  std::string key;
  std::size_t limit;
  std::size_t steps_left;  // a block that is read takes headers_a_block of them
  // What is wanted stands before this place: (file, block, index within the block).
  std::uint64_t file = std::numeric_limits<std::uint64_t>::max();
  std::int64_t block = std::numeric_limits<std::int64_t>::max();
  std::size_t index = std::numeric_limits<std::size_t>::max();
  Page<model::Attempt> page;
  std::string cursor;  // of the last item
  std::string seen;    // cursor behind the last block that was looked at
  std::size_t bytes = 0;

  // False: the page is full.
  bool take(model::Attempt attempt, std::string place) {
    bytes += size_of(attempt);
    if (page.items.size() == limit || (!page.items.empty() && bytes > query.most_bytes)) {
      page.next = cursor;
      return false;
    }
    cursor = std::move(place);
    page.items.push_back(std::move(attempt));
    return true;
  }
};

Result<Database*> AttemptSearch::opened(AttemptFile const& file) {
  if (file.start == open_start_ && open_) return open_.get();
  auto const there = folder_.files.exists(file.path);
  if (!there) return pass(there);
  if (!*there) return fail(Fault::missing, file.path + ": is not there");
  auto database = Database::open(folder_.vfs, file.path, {.use = DatabaseUse::read});
  if (!database) return pass(database);
  open_ = std::move(*database);
  open_start_ = file.start;
  return open_.get();
}

Result<Page<model::Attempt>> AttemptSearch::find(AttemptQuery const& query,
                                                 std::vector<AttemptFile> const& files) {
  Search search{query, key_of(query.stream), std::clamp<std::size_t>(query.limit, 1, 1'000),
                std::max<std::size_t>(query.most_blocks, 1) * headers_a_block};
  if (!query.after.empty()) {
    char const* at = query.after.data();
    auto const* const end = at + query.after.size();
    auto const part = [&](auto& value) {
      auto const [next, error] = std::from_chars(at, end, value);
      bool const good = error == std::errc() && (next == end || *next == '.');
      at = next == end ? end : next + 1;
      return good;
    };
    if (!part(search.file) || !part(search.block) || !part(search.index) || at != end)
      return fail(Fault::invalid, "after: is not a cursor of this list");
  }
  for (auto at = files.rbegin(); at != files.rend(); ++at) {
    if (at->start > search.file) continue;
    auto const enough = search_file(*at, search);
    if (!enough && enough.error().fault == Fault::missing) continue;  // its time was over meanwhile
    if (!enough) {
      folder_.log.error("file of attempts cannot be read: its attempts are left out",
                        {{"file", at->path}, {"why", enough.error().what}});
      continue;
    }
    if (*enough) break;
  }
  return std::move(search.page);
}

// True: nothing more is wanted.
Result<bool> AttemptSearch::search_file(AttemptFile const& file, Search& search) {
  auto const start = file.start;
  auto const database = opened(file);
  if (!database) return pass(database);
  auto rows = (*database)->query(
      "SELECT id, from_ms, to_ms, failed, attempts, streams, body FROM blocks WHERE id <= ?1 ORDER "
      "BY id DESC");
  rows.bind(1, start == search.file ? search.block : std::numeric_limits<std::int64_t>::max());
  auto const& query = search.query;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    if (query.since && from_unix_ms(rows.number(2)) + longest_try < *query.since) return true;
    if (search.steps_left == 0) {
      search.page.next = search.seen;
      return true;
    }
    --search.steps_left;
    search.seen = fmt::format("{}.{}.0", start, rows.number(0));
    if (query.since && from_unix_ms(rows.number(2) + 1) <= *query.since) continue;
    bool const wants_failed = query.outcome && *query.outcome != model::AttemptOutcome::delivered;
    bool const wants_delivered = query.outcome && !wants_failed;
    if ((wants_failed && rows.number(3) == 0) ||
        (wants_delivered && rows.number(3) == rows.number(4)))
      continue;
    if (!query.any_stream && !names(rows.bytes(5), search.key)) continue;
    search.steps_left -= std::min(search.steps_left, headers_a_block - 1);
    folder_.meters().attempt_blocks_read.add();
    auto attempts = decode_attempts(rows.bytes(6));
    if (!attempts) {
      folder_.log.error(
          "attempts are left out",
          {{"file", file.path}, {"block", rows.number(0)}, {"why", attempts.error().what}});
      continue;
    }
    bool const same_block = start == search.file && rows.number(0) == search.block;
    for (auto i = same_block ? std::min(search.index, attempts->size()) : attempts->size();
         i-- > 0;) {
      if (!fits(query, (*attempts)[i])) continue;
      auto place = fmt::format("{}.{}.{}", start, rows.number(0), i);
      if (!search.take(std::move((*attempts)[i]), std::move(place))) return true;
    }
  }
  if (!row) return pass(row);
  return false;
}

}  // namespace millrace::store
