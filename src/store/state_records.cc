// The records of the control plane, which live in state.db too.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "store/state_file.h"

namespace millrace::store {
namespace {

constexpr std::size_t most_told = 1'000;  // records, to a follower in one call

std::size_t size_of(Record const& record) { return record.id.size() + record.value.size() + 64; }

}  // namespace

Result<std::uint64_t> StateFile::change(std::vector<RecordChange> const& changes) {
  std::vector<std::uint64_t> versions;
  auto const done = commit_counted(Counted::records, [&]() -> Result<void> {
    versions.clear();
    for (auto const& one : changes) {
      auto const version = change_one(one, mark_.changes + 1);
      if (!version) return pass(version);
      versions.push_back(*version);
    }
    return {};
  });
  if (!done) return pass(done);
  tell(changes, versions);
  // After the followers: a batch that carries the number comes behind what they are told.
  folder_.changes = mark_.changes;
  return mark_.changes;
}

Result<std::uint64_t> StateFile::change_one(RecordChange const& change, std::uint64_t number) {
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
    if (auto done = gone.run(); !done) return pass(done);
    return 0;
  }
  auto put = database_->query(
      "INSERT OR REPLACE INTO records(collection, id, version, value, change) VALUES(?1, ?2, ?3, "
      "?4, ?5)");
  put.text(1, change.collection).text(2, change.id).bind(3, version + 1).blob(4, *change.value);
  put.bind(5, number);
  if (auto done = put.run(); !done) return pass(done);
  return version + 1;
}

// ---- followers

// All of it is done here, on the one thread that changes: no change comes between the records that are and those that come.
Result<std::shared_ptr<void>> StateFile::follow(std::string const& collection, std::uint64_t since,
                                                io::Executor const& loop,
                                                std::function<void(SharedChange)> tell) {
  auto follower = std::make_shared<Follower const>(Follower{collection, loop, std::move(tell)});
  std::vector<SharedChange> told;
  auto part = std::make_shared<RecordsChanged>();
  auto rows = database_->query(
      "SELECT id, version, value, change FROM records WHERE collection = ?1 AND change >= ?2 ORDER "
      "BY change");
  rows.text(1, collection).bind(2, since == 0 ? since : since + 1);
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    Record record{collection, std::string(rows.bytes(0)), rows.count(1), std::string(rows.bytes(2)),
                  rows.count(3)};
    // A change is told whole: only behind it may another part begin.
    if (part->records.size() >= most_told && record.change != part->number) {
      told.push_back(std::exchange(part, std::make_shared<RecordsChanged>()));
    }
    part->number = record.change;
    part->records.push_back(std::move(record));
  }
  if (!row) return pass(row);
  part->number = mark_.changes;
  told.push_back(std::move(part));
  for (auto& one : told)
    io::asio::post(loop, [weak = std::weak_ptr(follower), one = std::move(one)] {
      if (auto const still = weak.lock()) still->tell(one);
    });
  followers_.push_back(follower);
  return std::static_pointer_cast<void>(std::const_pointer_cast<Follower>(follower));
}

void StateFile::tell(std::vector<RecordChange> const& changes,
                     std::vector<std::uint64_t> const& versions) {
  std::map<std::string, SharedChange> by_collection;
  auto const told_of = [&](std::string const& collection) {
    auto& made = by_collection[collection];
    if (made) return made;
    auto told = std::make_shared<RecordsChanged>();
    told->number = mark_.changes;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].collection != collection) continue;
      if (changes[i].value)
        told->records.push_back(
            {collection, changes[i].id, versions[i], *changes[i].value, mark_.changes});
      else
        told->removed.push_back(changes[i].id);
    }
    made = std::move(told);
    return made;
  };
  std::erase_if(followers_, [&](auto const& weak) {
    auto const follower = weak.lock();
    if (!follower) return true;
    io::asio::post(follower->loop, [weak, told = told_of(follower->collection)] {
      if (auto const still = weak.lock()) still->tell(told);
    });
    return false;
  });
}

// ---- lists

Result<Record> StateFile::record(std::string const& collection, std::string const& id) {
  auto found = database_->query(
      "SELECT version, value, change FROM records WHERE collection = ?1 AND id = ?2");
  found.text(1, collection).text(2, id);
  auto const row = found.step();
  if (!row) return pass(row);
  if (!*row) return fail(Fault::missing, collection + "/" + id + ": is not there");
  return Record{collection, id, found.count(0), std::string(found.bytes(1)), found.count(2)};
}

Result<std::vector<Record>> StateFile::records(std::string const& collection) {
  auto rows = database_->query(
      "SELECT id, version, value, change FROM records WHERE collection = ?1 ORDER BY id");
  rows.text(1, collection);
  std::vector<Record> found;
  auto row = rows.step();
  for (; row && *row; row = rows.step())
    found.push_back({collection, std::string(rows.bytes(0)), rows.count(1),
                     std::string(rows.bytes(2)), rows.count(3)});
  if (!row) return pass(row);
  return found;
}

Result<Page<Record>> StateFile::newest_records(std::string const& collection,
                                               std::string const& after, PageLimits limits) {
  auto const most = std::clamp<std::size_t>(limits.items, 1, 1'000);
  auto rows = database_->query(
      after.empty()
          ? std::string_view("SELECT id, version, value, change FROM records WHERE collection = "
                             "?1 ORDER BY id DESC LIMIT ?3")
          : std::string_view("SELECT id, version, value, change FROM records WHERE collection = "
                             "?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"));
  rows.text(1, collection).bind(3, std::uint64_t{most + 1});
  if (!after.empty()) rows.text(2, after);
  Page<Record> page;
  std::size_t bytes = 0;
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    Record record{collection, std::string(rows.bytes(0)), rows.count(1), std::string(rows.bytes(2)),
                  rows.count(3)};
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
