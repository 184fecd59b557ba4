#include "testing/memory_records.h"

#include <fmt/format.h>

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
  co_return with([&](World& s) -> Result<std::uint64_t> {
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
    for (auto& change : changes) {
      std::pair const key(change.collection, change.id);
      if (!change.value) {
        s.all.erase(key);
        continue;
      }
      auto& record = s.all[key];
      record = {change.collection, change.id, record.version + 1, std::move(*change.value)};
    }
    return ++s.changes;
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
