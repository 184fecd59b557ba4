// The records of the control plane, which live in state.db too.
#include <fmt/format.h>

#include <algorithm>

#include "store/state_file.h"

namespace millrace::store {
namespace {

std::size_t size_of(Record const& record) { return record.id.size() + record.value.size() + 64; }

}  // namespace

Result<std::uint64_t> StateFile::change(std::vector<RecordChange> const& changes) {
  auto const done = commit_counted(Counted::records, [&]() -> Result<void> {
    for (auto const& one : changes)
      if (auto changed = change_one(one); !changed) return changed;
    return {};
  });
  if (!done) return pass(done);
  return mark_.changes;
}

Result<void> StateFile::change_one(RecordChange const& change) {
  std::uint64_t version = 0;
  {
    auto found = database_->query("SELECT version FROM records WHERE collection = ?1 AND id = ?2");
    found.text(1, change.collection).text(2, change.id);
    auto const row = found.step();
    if (!row) return pass(row);
    if (*row) version = found.count(0);
  }
  auto const name = [&] { return change.collection + "/" + change.id; };
  if (change.expected_version && *change.expected_version != version) {
    if (version == 0) return fail(Fault::missing, name() + ": is not there");
    return fail(Fault::conflict, *change.expected_version == 0
                                     ? name() + ": exists"
                                     : name() + ": was changed meanwhile");
  }
  if (!change.value) {
    if (version == 0) return fail(Fault::missing, name() + ": is not there");
    auto gone = database_->query("DELETE FROM records WHERE collection = ?1 AND id = ?2");
    gone.text(1, change.collection).text(2, change.id);
    return gone.run();
  }
  auto put = database_->query(
      "INSERT OR REPLACE INTO records(collection, id, version, value) VALUES(?1, ?2, ?3, ?4)");
  put.text(1, change.collection).text(2, change.id).bind(3, version + 1).blob(4, *change.value);
  return put.run();
}

Result<std::vector<Record>> StateFile::records(std::string const& collection) {
  auto rows =
      database_->query("SELECT id, version, value FROM records WHERE collection = ?1 ORDER BY id");
  rows.text(1, collection);
  std::vector<Record> found;
  auto row = rows.step();
  for (; row && *row; row = rows.step())
    found.push_back(
        {collection, std::string(rows.bytes(0)), rows.count(1), std::string(rows.bytes(2))});
  if (!row) return pass(row);
  return found;
}

Result<Page<Record>> StateFile::newest_records(std::string const& collection,
                                               std::string const& after, PageLimits limits) {
  auto const most = std::clamp<std::size_t>(limits.items, 1, 1'000);
  auto rows = database_->query(
      after.empty() ? std::string_view("SELECT id, version, value FROM records WHERE collection = "
                                       "?1 ORDER BY id DESC LIMIT ?3")
                    : std::string_view("SELECT id, version, value FROM records WHERE collection = "
                                       "?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"));
  rows.text(1, collection).bind(3, std::uint64_t{most + 1});
  if (!after.empty()) rows.text(2, after);
  Page<Record> page;
  std::size_t bytes = 0;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    Record record{collection, std::string(rows.bytes(0)), rows.count(1),
                  std::string(rows.bytes(2))};
    bytes += size_of(record);
    if (page.items.size() == most || (!page.items.empty() && bytes > limits.bytes)) {
      page.next = page.items.back().id;
      break;
    }
    page.items.push_back(std::move(record));
  }
  if (!row) return pass(row);
  return page;
}

}  // namespace millrace::store
