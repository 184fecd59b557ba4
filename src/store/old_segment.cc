#include "store/old_segment.h"

#include "store/database.h"

namespace millrace::store {
namespace {

constexpr std::string_view sql_first_time =
    "SELECT accepted_ms FROM batches ORDER BY number LIMIT 1";
constexpr std::string_view sql_last_time =
    "SELECT accepted_ms FROM batches ORDER BY number DESC LIMIT 1";
constexpr std::string_view sql_time =
    "SELECT number, accepted_ms FROM batches WHERE number >= ?1 ORDER BY number LIMIT 1";
constexpr std::string_view sql_header =
    "SELECT number, accepted_ms, header FROM batches WHERE number >= ?1 ORDER BY number LIMIT 1";
constexpr std::string_view sql_all =
    "SELECT number, accepted_ms, header, body FROM batches WHERE number >= ?1 ORDER BY number "
    "LIMIT 1";
constexpr std::int64_t layout_with_marks = 2;

class OldSegment final : public SegmentSource {
 public:
  explicit OldSegment(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  Result<std::optional<StoredRow>> from(std::uint64_t number, Wanted wanted) override {
    auto rows = database_->query(
        wanted == Wanted::all ? sql_all : (wanted == Wanted::header ? sql_header : sql_time));
    rows.bind(1, number);
    auto const row = rows.step();
    if (!row) return pass(row);
    if (!*row) return std::nullopt;
    StoredRow found{rows.count(0), rows.number(1), 0, {}, {}};
    if (wanted != Wanted::time) found.header = rows.bytes(2);
    if (wanted == Wanted::all) found.body = rows.bytes(3);
    return found;
  }
  Result<std::optional<WallTime>> first_accepted() override { return time(sql_first_time); }
  Result<std::optional<WallTime>> last_accepted() override { return time(sql_last_time); }

  Result<SegmentMarks> marks() override {
    auto const layout = database_->layout();
    if (!layout) return pass(layout);
    SegmentMarks marks;
    if (*layout < layout_with_marks) return marks;
    auto rows = database_->query("SELECT name, value FROM marks");
    auto row = rows.step();
    for (; row && *row; row = rows.step()) {
      if (rows.bytes(0) == "began_ms") marks.began = from_unix_ms(rows.number(1));
      if (rows.bytes(0) == "never_from") marks.never_from = rows.count(1);
    }
    if (!row) return pass(row);
    return marks;
  }

  Result<void> repeats(std::function<void(Repeat)> const& visit) override {
    auto rows = database_->query(
        "SELECT key, expires_ms, batch, event, body_hash, answer FROM repeats ORDER BY id DESC");
    auto row = rows.step();
    for (; row && *row; row = rows.step()) {
      Repeat repeat;
      repeat.key = rows.bytes(0);
      repeat.expires_ms = rows.number(1);
      repeat.first = {rows.count(2), static_cast<std::uint32_t>(rows.number(3))};
      repeat.body_hash = rows.bytes(4);
      repeat.answer = rows.bytes(5);
      visit(std::move(repeat));
    }
    if (!row) return pass(row);
    return {};
  }

 private:
  Result<std::optional<WallTime>> time(std::string_view sql) {
    auto rows = database_->query(sql);
    auto const row = rows.step();
    if (!row) return pass(row);
    return *row ? std::optional(from_unix_ms(rows.number(0))) : std::nullopt;
  }

  std::unique_ptr<Database> database_;
};

}  // namespace

Result<std::unique_ptr<SegmentSource>> open_old(Folder& folder, Segment const& segment) {
  auto opened = Database::open(folder.vfs, segment.path,
                               {.use = segment.sealed ? DatabaseUse::sealed : DatabaseUse::read});
  if (!opened) return pass(opened);
  return std::make_unique<OldSegment>(std::move(*opened));
}

Result<OldEnd> end_of_old(Folder& folder, Segment const& segment) {
  auto source = open_old(folder, segment);
  if (!source) return pass(source);
  auto const marks = (*source)->marks();
  if (!marks) return pass(marks);
  OldEnd end;
  end.never_from = marks->never_from;
  source->reset();
  auto database = Database::open(folder.vfs, segment.path,
                                 {.use = segment.sealed ? DatabaseUse::sealed : DatabaseUse::read});
  if (!database) return pass(database);
  auto newest =
      (*database)->query("SELECT number, accepted_ms FROM batches ORDER BY number DESC LIMIT 1");
  auto const found = newest.step();
  if (!found) return pass(found);
  if (*found) {
    end.last = newest.count(0);
    end.last_accepted = from_unix_ms(newest.number(1));
  }
  return end;
}

bool seal_old(Folder& folder, std::string const& path) {
  DatabaseOptions options;
  options.durable = folder.settings.durable;
  auto database = Database::open(folder.vfs, path, options);
  auto const done = database ? (*database)->checkpoint(true) : Result<bool>(pass(database));
  if (database) database->reset();
  if (!done)
    folder.log.warning("log segment cannot be sealed now",
                       {{"file", path}, {"why", done.error().what}});
  if (!done || !*done) return false;
  // Empty, so that its name says nothing any more.
  static_cast<void>(folder.files.remove(path + "-wal"));
  return true;
}

}  // namespace millrace::store
