#include "store/segments.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace millrace::store {
namespace {

constexpr std::int32_t application = 0x4D524C47;  // "MRLG"
constexpr char const* steps[] = {
    // `body` is last: looking at headers touches none of its pages.
    "CREATE TABLE batches(number INTEGER PRIMARY KEY, accepted_ms INTEGER NOT NULL, header BLOB "
    "NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE repeats(id INTEGER PRIMARY KEY, key BLOB NOT NULL, expires_ms INTEGER NOT NULL, "
    "batch INTEGER NOT NULL,"
    " event INTEGER NOT NULL, body_hash BLOB NOT NULL, answer BLOB NOT NULL);",
    "CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
};

constexpr std::int64_t layout_with_marks = 2;

std::optional<std::uint64_t> first_of(std::string_view name) {
  constexpr std::string_view before = "log-";
  constexpr std::string_view after = ".db";
  if (name.size() != before.size() + 20 + after.size() || !name.starts_with(before) ||
      !name.ends_with(after))
    return std::nullopt;
  auto const digits = name.substr(before.size(), 20);
  std::uint64_t first = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), first);
  if (error != std::errc() || end != digits.data() + digits.size() || first == 0)
    return std::nullopt;
  return first;
}

// 0 of a file that is not there.
Result<std::uint64_t> size_of(io::Files& files, std::string const& path) {
  auto file = files.open(path, io::OpenMode::read);
  if (!file && file.error().fault == Fault::missing) return 0;
  if (!file) return pass(file);
  return (*file)->size();
}

void set_ends(std::vector<Segment>& segments) {
  for (std::size_t i = 0; i < segments.size(); ++i)
    segments[i].end =
        i + 1 < segments.size() ? segments[i + 1].first : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

Result<void> Segments::load() {
  auto const names = folder_.files.list(folder_.settings.folder);
  if (!names) return pass(names);
  for (auto const& name : *names) {
    auto const first = first_of(name);
    if (!first) continue;
    auto const path = folder_.path(name);
    // A write-ahead log that cannot be looked at is no empty one: what it holds would be left out.
    auto const wal = size_of(folder_.files, path + "-wal");
    if (!wal) return pass(wal);
    Segment segment;
    segment.first = *first;
    segment.path = path;
    segment.bytes = std::max(size_of(folder_.files, path).value_or(0), *wal);
    segment.sealed = *wal == 0;
    add(std::move(segment));
  }
  return {};
}

std::vector<Segment> Segments::all() const {
  return segments_.with([](auto const& map) {
    std::vector<Segment> found;
    for (auto const& [first, segment] : map) found.push_back(segment);
    set_ends(found);
    return found;
  });
}

std::optional<Segment> Segments::of(std::uint64_t batch) const {
  return segments_.with([&](auto const& map) -> std::optional<Segment> {
    auto const next = map.upper_bound(batch);
    if (next == map.begin()) return std::nullopt;
    auto segment = std::prev(next)->second;
    segment.end = next == map.end() ? std::numeric_limits<std::uint64_t>::max() : next->first;
    return segment;
  });
}

std::uint64_t Segments::bytes() const {
  return segments_.with([](auto const& map) {
    std::uint64_t sum = 0;
    for (auto const& [first, segment] : map) sum += segment.bytes;
    return sum;
  });
}

std::string Segments::path_of(std::uint64_t first) const {
  return folder_.path(fmt::format("log-{:020}.db", first));
}

void Segments::add(Segment segment) {
  segments_.with([&](auto& map) { map[segment.first] = std::move(segment); });
}
void Segments::grew(std::uint64_t first, std::uint64_t bytes) {
  segments_.with([&](auto& map) {
    if (auto const at = map.find(first); at != map.end()) at->second.bytes = bytes;
  });
}
void Segments::seal(std::uint64_t first) {
  auto const bytes = size_of(folder_.files, path_of(first)).value_or(0);
  segments_.with([&](auto& map) {
    if (auto const at = map.find(first); at != map.end()) {
      at->second.sealed = true;
      at->second.bytes = bytes;
    }
  });
}
void Segments::know(std::uint64_t first, std::optional<WallTime> Segment::* what, WallTime time) {
  segments_.with([&](auto& map) {
    if (auto const at = map.find(first); at != map.end()) at->second.*what = time;
  });
}
void Segments::drop(std::uint64_t first) {
  segments_.with([&](auto& map) { map.erase(first); });
}

Result<std::unique_ptr<Database>> Segments::open_writer(std::string const& path) const {
  DatabaseOptions options;
  options.durable = folder_.settings.durable;
  auto database = Database::open(folder_.vfs, path, options);
  if (!database) return database;
  if (auto done = (*database)->migrate(application, steps); !done) return pass(done);
  return database;
}

Result<std::optional<std::int64_t>> Segments::mark_of(Database& segment, std::string_view name) {
  auto const layout = segment.layout();
  if (!layout) return pass(layout);
  if (*layout < layout_with_marks) return std::nullopt;
  auto row = segment.query("SELECT value FROM marks WHERE name = ?1");
  row.text(1, name);
  auto const found = row.step();
  if (!found) return pass(found);
  return *found ? std::optional(row.number(0)) : std::nullopt;
}

Result<void> Segments::set_mark(Database& segment, std::string_view name, std::int64_t value) {
  auto row = segment.query("INSERT OR REPLACE INTO marks(name, value) VALUES(?1, ?2)");
  row.text(1, name).bind(2, value);
  return row.run();
}

void Segments::checkpoint(std::uint64_t first, std::unique_ptr<Database> database) {
  if (!database) {
    auto const known = of(first);
    if (!known || known->first != first) return;  // retention was quicker
    auto opened = open_writer(path_of(first));
    if (!opened) {
      folder_.log.warning("log segment cannot be checkpointed",
                          {{"file", path_of(first)}, {"why", opened.error().what}});
      return;
    }
    database = std::move(*opened);
  }
  auto const done = database->checkpoint(true);
  database.reset();
  if (!done) {
    folder_.log.warning("log segment cannot be checkpointed now",
                        {{"file", path_of(first)}, {"why", done.error().what}});
    return;
  }
  if (!*done) return;
  // Empty, so that its name says nothing any more. When it stays it is looked at again by the next start.
  static_cast<void>(folder_.files.remove(path_of(first) + "-wal"));
  seal(first);
}

}  // namespace millrace::store
