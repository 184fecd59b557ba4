#include "store/attempt_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "store/attempt_format.h"
#include "store/state_format.h"

namespace millrace::store {
namespace {

constexpr std::int32_t application = 0x4D524154;  // "MRAT"
constexpr char const* steps[] = {
    // `streams`: the sorted ids of whose attempts are in the block. `body` is last: a search touches it only where it must.
    "CREATE TABLE blocks(id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, "
    "attempts INTEGER NOT NULL,"
    " failed INTEGER NOT NULL, streams BLOB NOT NULL, body BLOB NOT NULL);",
};
constexpr std::string_view before = "attempts-";
constexpr std::string_view after_name = ".db";
constexpr auto longest_try =
    std::chrono::minutes(5);  // blocks are in the order of ends, `at` is a begin

std::size_t size_of(model::Attempt const& attempt) {
  return 160 + attempt.event_type.size() + attempt.address.size() + attempt.reason.size() +
         attempt.response_headers.size() + attempt.response_body.size();
}

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

struct AttemptLog::Search {
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

Result<void> AttemptLog::open() {
  auto const names_found = folder_.files.list(folder_.settings.folder);
  if (!names_found) return pass(names_found);
  for (auto const& name : *names_found) {
    if (!name.starts_with(before) || !name.ends_with(after_name)) continue;
    auto const digits = std::string_view(name).substr(
        before.size(), name.size() - before.size() - after_name.size());
    std::uint64_t start = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), start);
    if (error != std::errc() || end != digits.data() + digits.size()) continue;
    auto& file = files_[start];
    file.path = folder_.path(name);
    if (auto const disk = folder_.files.open(file.path, io::OpenMode::read))
      file.bytes = (*disk)->size().value_or(0);
  }
  return {};
}

Result<void> AttemptLog::close() {
  flush();
  files_.clear();
  return {};
}

bool AttemptLog::due(Queue const& queue) const {
  auto const& settings = folder_.settings;
  return !queue.attempts.empty() && (queue.bytes >= settings.attempts_block_bytes ||
                                     folder_.clock.now() - queue.since >= settings.attempts_wait);
}

bool AttemptLog::add(model::Attempt attempt) {
  auto const bytes = size_of(attempt);
  bool dropped = false;
  bool const ask = queue_.with([&](Queue& queue) {
    if (queue.bytes + bytes > folder_.settings.attempts_queued_bytes) {
      dropped = true;
    } else {
      if (queue.attempts.empty()) queue.since = folder_.clock.now();
      queue.bytes += bytes;
      queue.attempts.push_back(std::move(attempt));
    }
    return due(queue) && !std::exchange(queue.asked, true);
  });
  if (dropped) folder_.meters().attempts_dropped.add();
  return ask;
}

bool AttemptLog::is_due() const {
  return queue_.with([&](Queue const& queue) { return due(queue); });
}

void AttemptLog::flush() {
  for (;;) {
    // A block has about attempts_block_bytes, however long the queue has grown.
    std::vector<model::Attempt> attempts;
    queue_.with([&](Queue& queue) {
      std::size_t bytes = 0;
      std::size_t count = 0;
      while (count < queue.attempts.size() && bytes < folder_.settings.attempts_block_bytes)
        bytes += size_of(queue.attempts[count++]);
      auto const end = queue.attempts.begin() + static_cast<std::ptrdiff_t>(count);
      attempts.assign(std::move_iterator(queue.attempts.begin()), std::move_iterator(end));
      queue.attempts.erase(queue.attempts.begin(), end);
      queue.bytes -= bytes;
      queue.since = folder_.clock.now();
      queue.asked = false;
    });
    if (attempts.empty()) return;
    if (auto const done = write(attempts); !done) {
      folder_.meters().attempts_dropped.add(attempts.size());
      folder_.log.warning("attempts cannot be stored: they are dropped",
                          {{"attempts", attempts.size()}, {"why", done.error().what}});
    }
  }
}

Result<void> AttemptLog::write(std::vector<model::Attempt> const& attempts) {
  auto const database = writer();
  if (!database) return pass(database);
  std::vector<std::string> keys;
  auto from = WallTime::max();
  auto to = WallTime::min();
  std::uint64_t failed = 0;
  for (auto const& attempt : attempts) {
    keys.push_back(key_of(attempt.stream));
    from = std::min(from, attempt.at);
    to = std::max(to, attempt.at);
    if (attempt.outcome != model::AttemptOutcome::delivered) ++failed;
  }
  std::ranges::sort(keys);
  auto const same = std::ranges::unique(keys);
  keys.erase(same.begin(), same.end());
  std::string streams;
  for (auto const& key : keys) streams += key;
  auto const body = encode_attempts(attempts);
  auto row = (*database)->query(
      "INSERT INTO blocks(from_ms, to_ms, attempts, failed, streams, body) VALUES(?1, ?2, ?3, ?4, "
      "?5, ?6)");
  row.bind(1, unix_ms(from))
      .bind(2, unix_ms(to))
      .bind(3, std::uint64_t{attempts.size()})
      .bind(4, failed)
      .blob(5, streams)
      .blob(6, body);
  auto done = row.run();
  if (done) files_.rbegin()->second.bytes += body.size() + streams.size() + 64;
  return done;
}

Result<Database*> AttemptLog::opened(File& file) {
  if (file.database) return file.database.get();
  DatabaseOptions options;
  options.durable = folder_.settings.durable;
  options.checkpoint_pages = 1'000;
  auto database = Database::open(folder_.vfs, file.path, options);
  if (!database) return pass(database);
  if (auto done = (*database)->migrate(application, steps); !done) return pass(done);
  // Few stay open: the newest, which is written, and one that somebody looks at.
  for (auto at = files_.begin(); at != files_.end() && std::next(at) != files_.end(); ++at)
    at->second.database.reset();
  file.database = std::move(*database);
  return file.database.get();
}

Result<Database*> AttemptLog::writer() {
  auto const& settings = folder_.settings;
  auto const now = static_cast<std::uint64_t>(unix_ms(folder_.clock.wall()));
  if (!files_.empty()) {
    auto& [start, file] = *files_.rbegin();
    auto const age = std::chrono::milliseconds(now > start ? now - start : 0);
    if (file.bytes < settings.attempts_segment_bytes && age < settings.attempts_segment_age) {
      auto database = opened(file);
      // One that is damaged is left as it is, and another is begun.
      if (database ||
          (database.error().fault != Fault::corrupt && database.error().fault != Fault::invalid))
        return database;
      folder_.log.error("file of attempts cannot be written: another is begun",
                        {{"file", file.path}, {"why", database.error().what}});
    }
  }
  auto const start = files_.empty() ? now : std::max(now, files_.rbegin()->first + 1);
  auto& file = files_[start];
  file.path = folder_.path(fmt::format("{}{:020}{}", before, start, after_name));
  auto database = opened(file);
  if (!database) files_.erase(start);
  return database;
}

// ---- looking ----------------------------------------------------------------------------------------------------------------

Result<Page<model::Attempt>> AttemptLog::query(AttemptQuery const& query) {
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
  // What is shown is on disk: nothing that somebody has seen is gone after a crash.
  flush();
  for (auto at = files_.rbegin(); at != files_.rend(); ++at) {
    if (at->first > search.file) continue;
    auto const enough = search_file(at->first, at->second, search);
    if (!enough) {
      folder_.log.error("file of attempts cannot be read: its attempts are left out",
                        {{"file", at->second.path}, {"why", enough.error().what}});
      continue;
    }
    if (*enough) break;
  }
  return std::move(search.page);
}

// True: nothing more is wanted.
Result<bool> AttemptLog::search_file(std::uint64_t start, File& file, Search& search) {
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

Result<void> AttemptLog::retain(WallTime now) {
  auto const& settings = folder_.settings;
  std::uint64_t bytes = 0;
  for (auto const& [start, file] : files_) bytes += file.bytes;
  while (!files_.empty()) {
    auto& [start, file] = *files_.begin();
    // The newest in it is about as old as the next file's name, or as the longest that a file is written.
    auto const newest =
        files_.size() > 1
            ? from_unix_ms(static_cast<std::int64_t>(std::next(files_.begin())->first))
            : from_unix_ms(static_cast<std::int64_t>(start)) + settings.attempts_segment_age;
    if (newest + settings.attempts_age >= now &&
        (bytes <= settings.attempts_bytes || files_.size() == 1))
      break;
    file.database.reset();
    bytes -= std::min(bytes, file.bytes);
    for (auto const* const extra : {"-wal", ""})
      if (auto gone = folder_.files.remove(file.path + extra);
          !gone && gone.error().fault != Fault::missing)
        return gone;
    files_.erase(files_.begin());
  }
  return {};
}

}  // namespace millrace::store
