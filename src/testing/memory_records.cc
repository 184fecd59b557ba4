#include "testing/memory_records.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

namespace millrace::testing {

using namespace store;

namespace {

std::size_t size_of(Record const& record) { return record.id.size() + record.value.size() + 64; }

}  // namespace

io::Task<Result<std::uint64_t>> MemoryRecords::change(std::vector<RecordChange> changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    check(!changes[i].collection.empty() && !changes[i].id.empty(),
          "a record has a collection and an id");
    for (std::size_t k = 0; k < i; ++k)
      check(changes[k].collection != changes[i].collection || changes[k].id != changes[i].id,
            "a record changes once in a call");
  }
  co_await turn();
  co_return start_.write([&](MemoryWorld& world) -> Result<std::uint64_t> {
    auto& s = world.records;
    if (auto error = s.trouble.take()) return std::unexpected(std::move(*error));
    for (auto const& change : changes) {
      auto const at = s.all.find({change.collection, change.id});
      bool const exists = at != s.all.end();
      auto const name = change.collection + "/" + change.id;
      if (change.expected_version == 0 && exists) return fail(Fault::conflict, name + ": exists");
      if (!exists && (!change.value || change.expected_version.value_or(0) != 0))
        return fail(Fault::missing, name + ": there is none");
      if (exists && change.expected_version && *change.expected_version != at->second.version)
        return fail(Fault::conflict, name + ": was changed meanwhile");
    }
    ++s.changes;
    for (auto const& change : changes) {
      std::pair const key(change.collection, change.id);
      if (!change.value) {
        s.all.erase(key);
        continue;
      }
      auto& record = s.all[key];
      record = {change.collection, change.id, record.version + 1, *change.value, s.changes};
    }
    tell(s, changes);
    if (auto error = s.answer_trouble.take()) return std::unexpected(std::move(*error));
    return s.changes;
  });
}

// Posted under the lock: followers hear of changes in the order of their numbers.
void MemoryRecords::tell(World& s, std::vector<RecordChange> const& changes) {
  std::erase_if(s.followers, [&](auto const& weak) {
    auto const follower = weak.lock();
    if (!follower) return true;
    auto told = std::make_shared<RecordsChanged>();
    told->number = s.changes;
    for (auto const& change : changes) {
      if (change.collection != follower->collection) continue;
      if (change.value)
        told->records.push_back(s.all.at({change.collection, change.id}));
      else
        told->removed.push_back(change.id);
    }
    io::asio::post(follower->loop, [weak, told = std::move(told)] {
      if (auto const alive = weak.lock()) alive->tell(told);
    });
    return false;
  });
}

std::uint64_t MemoryRecords::newest_change() const {
  return with([](World& s) { return s.changes; });
}

// Told one change at a time, where the real one tells many at once: who counts on either is found out.
io::Task<Result<std::shared_ptr<void>>> MemoryRecords::follow(
    std::string collection, std::uint64_t since, io::Executor loop,
    std::function<void(SharedChange)> tell) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::shared_ptr<void>> {
    auto follower = std::make_shared<MemoryWorld::RecordsFollower>(
        MemoryWorld::RecordsFollower{collection, loop, std::move(tell)});
    std::map<std::uint64_t, std::shared_ptr<RecordsChanged>> parts;
    for (auto const& [key, record] : s.all) {
      if (key.first != collection || record.change <= since) continue;
      auto& part = parts[record.change];
      if (!part) part = std::make_shared<RecordsChanged>();
      part->number = record.change;
      part->records.push_back(record);
    }
    auto& last = parts[s.changes];
    if (!last) last = std::make_shared<RecordsChanged>();
    last->number = s.changes;
    for (auto const& [number, part] : parts)
      io::asio::post(loop, [weak = std::weak_ptr(follower), told = SharedChange(part)] {
        if (auto const alive = weak.lock()) alive->tell(told);
      });
    s.followers.push_back(follower);
    return std::shared_ptr<void>(follower);
  });
}

io::Task<Result<Record>> MemoryRecords::find(std::string collection, std::string id) {
  co_await turn();
  co_return with([&](World& s) -> Result<Record> {
    auto const at = s.all.find({collection, id});
    if (at == s.all.end()) return fail(Fault::missing, collection + "/" + id + ": there is none");
    return at->second;
  });
}

io::Task<Result<std::vector<Record>>> MemoryRecords::list(std::string collection) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::vector<Record>> {
    std::vector<Record> found;
    for (auto at = s.all.lower_bound({collection, ""});
         at != s.all.end() && at->first.first == collection; ++at)
      found.push_back(at->second);
    return found;
  });
}

io::Task<Result<Page<Record>>> MemoryRecords::newest(std::string collection, std::string after,
                                                     PageLimits limits) {
  check_limits(limits);
  co_await turn();
  co_return with([&](World& s) -> Result<Page<Record>> {
    Page<Record> page;
    auto const begin = s.all.lower_bound({collection, ""});
    auto end = after.empty() ? s.all.lower_bound({collection + '\0', ""})
                             : s.all.lower_bound({collection, after});
    std::size_t bytes = 0;
    while (end != begin &&
           take(page, bytes, size_of(std::prev(end)->second), std::prev(end)->second, limits))
      --end;
    if (end != begin) page.next = page.items.back().id;
    return page;
  });
}

}  // namespace millrace::testing
