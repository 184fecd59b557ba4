#include "store/attempt_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "store/attempt_format.h"
#include "store/state_format.h"
#include "store/state_wal.h"

namespace millrace::store {
namespace {

constexpr std::int32_t application = 0x4D524154;  // "MRAT"
constexpr char const* steps[] = {
    // `streams`: the sorted ids of whose attempts are in the block. `body` is last: a search touches it only where it must.
    "CREATE TABLE blocks(id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, "
    "attempts INTEGER NOT NULL,"
    " failed INTEGER NOT NULL, streams BLOB NOT NULL, body BLOB NOT NULL);",
    // `previous`: the number in the name of the file before it; `previous_blocks`: the number of the last block in that.
    "CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
};
constexpr std::string_view last_block = "SELECT max(id) FROM blocks";
constexpr std::string_view before = "attempts-";
constexpr std::string_view after_name = ".db";

}  // namespace

std::size_t size_of(model::Attempt const& attempt) {
  return 160 + attempt.event_type.size() + attempt.address.size() + attempt.reason.size() +
         attempt.response_headers.size() + attempt.response_body.size();
}

namespace {

// Answers how many bytes the attempt had.
std::size_t take_from_share(std::unordered_map<StreamId, std::size_t>& shares,
                            model::Attempt const& attempt) {
  auto const bytes = size_of(attempt);
  auto const share = shares.find(attempt.stream);
  if ((share->second -= bytes) == 0) shares.erase(share);
  return bytes;
}

}  // namespace

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
  tell_what_is_gone();
  return {};
}

std::vector<AttemptFile> AttemptLog::stored() {
  flush();
  std::vector<AttemptFile> all;
  for (auto const& [start, file] : files_) all.push_back({start, file.path});
  return all;
}

// Each file names the one before it, and state.db the newest.
void AttemptLog::tell_what_is_gone() {
  auto const check_end = [&](std::uint64_t start, std::uint64_t blocks) {
    if (start == 0) return;
    auto const found = files_.find(start);
    if (found == files_.end()) {
      folder_.log.error("a file of attempts is gone: its attempts are lost",
                        {{"file", path_of(start)}});
      return;
    }
    if (auto const last = number_in(found->second, last_block); last < blocks)
      folder_.log.error("a file of attempts ends earlier than it did: attempts are lost",
                        {{"file", path_of(start)}, {"blocks", last}, {"blocks_before", blocks}});
  };
  check_end(folder_.newest_attempts, folder_.attempts_blocks);
  for (auto const& [start, file] : files_)
    check_end(number_in(file, "SELECT value FROM marks WHERE name = 'previous'"),
              number_in(file, "SELECT value FROM marks WHERE name = 'previous_blocks'"));
}

// 0: the file does not say, being of an older version, or cannot be read, which is told when somebody looks at it.
std::uint64_t AttemptLog::number_in(File const& file, std::string_view sql) const {
  DatabaseOptions options;
  options.use = DatabaseUse::read;
  auto const database = Database::open(folder_.vfs, file.path, options);
  if (!database) return 0;
  auto found = (*database)->query(sql);
  auto const row = found.step();
  return row && *row ? found.count(0) : 0;
}

Result<void> AttemptLog::set_previous(File& file, std::uint64_t start, std::uint64_t blocks) {
  auto const database = opened(file);
  if (!database) return pass(database);
  auto put = (*database)->query(
      "INSERT OR REPLACE INTO marks(name, value) VALUES('previous', ?1), ('previous_blocks', ?2)");
  put.bind(1, start).bind(2, blocks);
  return put.run();
}

std::string AttemptLog::path_of(std::uint64_t start) const {
  return folder_.path(fmt::format("{}{:020}{}", before, start, after_name));
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

// Half of the queue is for those that hold little, so that one stream's flood leaves room for the attempts of the others.
bool AttemptLog::has_room(Queue const& queue, StreamId stream, std::size_t bytes) const {
  auto const most = folder_.settings.attempts_queued_bytes;
  if (queue.bytes + bytes <= most / 2) return true;
  if (queue.bytes + bytes > most) return false;
  auto const own = queue.by_stream.find(stream);
  return own == queue.by_stream.end() || own->second + bytes <= most / 16;
}

bool AttemptLog::add(model::Attempt attempt) {
  auto const bytes = size_of(attempt);
  bool dropped = false;
  bool const ask = queue_.with([&](Queue& queue) {
    if (!has_room(queue, attempt.stream, bytes)) {
      dropped = true;
    } else {
      if (queue.attempts.empty()) queue.since = folder_.clock.now();
      queue.bytes += bytes;
      queue.by_stream[attempt.stream] += bytes;
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
        bytes += take_from_share(queue.by_stream, queue.attempts[count++]);
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
  if (!done) return done;
  files_.rbegin()->second.bytes += body.size() + streams.size() + 64;
  auto last = (*database)->query(last_block);
  if (auto const found = last.step(); found && *found) folder_.attempts_blocks = last.count(0);
  folder_.newest_attempts = files_.rbegin()->first;
  return {};
}

Result<Database*> AttemptLog::opened(File& file) {
  if (file.database) return file.database.get();
  auto const rest = check_wal(file);
  if (!rest) return pass(rest);
  DatabaseOptions options;
  options.durable = folder_.settings.durable;
  options.checkpoint_bytes = 4 << 20;
  options.page_bytes = 8 * 1024;
  auto database = Database::open(folder_.vfs, file.path, options);
  if (!database) return pass(database);
  if (auto done = (*database)->migrate(application, steps); !done) return pass(done);
  if (*rest)
    if (auto done = (*database)->checkpoint(true); !done && done.error().fault != Fault::busy)
      return pass(done);
  for (auto& [start, other] : files_) other.database.reset();  // only the newest is written
  file.database = std::move(*database);
  return file.database.get();
}

// Answers whether there is a part of an unfinished transaction.
Result<bool> AttemptLog::check_wal(File const& file) {
  auto const end = find_wal_end(folder_.files, file.path + "-wal");
  if (!end) return pass(end);
  if (!*end) return false;
  if ((*end)->commits > 1)
    folder_.log.error("a file of attempts is damaged: attempts are lost",
                      {{"file", file.path + "-wal"},
                       {"behind_byte", (*end)->bytes},
                       {"blocks", (*end)->commits}});
  return (*end)->rest;
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
  auto const previous = files_.empty() ? 0 : files_.rbegin()->first;
  auto const blocks = files_.empty() ? 0 : number_in(files_.rbegin()->second, last_block);
  auto& file = files_[start];
  file.path = path_of(start);
  auto database = opened(file);
  if (database)
    if (auto done = set_previous(file, previous, blocks); !done) database = pass(done);
  if (!database) {
    files_.erase(start);
    return database;
  }
  folder_.attempts_blocks = 0;
  folder_.newest_attempts = start;
  return database;
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
    // Nobody is to miss it. A file that cannot say so is damaged, and will be told of.
    if (files_.size() > 1) static_cast<void>(set_previous(std::next(files_.begin())->second, 0, 0));
    if (files_.size() == 1) folder_.newest_attempts = 0;
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
