#include "testing/memory_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace millrace::testing {

using namespace store;

namespace {

std::size_t size_of(Undelivered const& event) {
  return 256 + event.kind.account.size() + event.kind.type.size() + event.reason.size() +
         event.payload.size();
}

void check_delta(StreamDelta const& delta) {
  auto const& progress = delta.progress;
  for (auto const& at : progress.settled_above)
    check(at >= progress.cursor, "settled positions are not below the cursor");
  check(std::ranges::is_sorted(progress.filters, {}, &FilterVersion::from_batch),
        "filters stand in order");
  for (auto const& retry : delta.retries) {
    check(retry.tried <= 3, "a retry has 0 to 3 tries behind it");
    check(std::ranges::find(delta.retries_ended, retry.work) == delta.retries_ended.end(),
          "a retry is put or ended, not both");
  }
  for (auto const& one : delta.undelivered)
    check(!one.payload.empty(), "what is undelivered keeps its payload");
}

std::string cursor_of(Work const& work) {
  return fmt::format("{}.{}.{}", work.run, work.at.batch, work.at.index);
}

std::optional<Work> work_of(std::string_view cursor) {
  Work work;
  auto& at = work.at;
  auto const* const end = cursor.data() + cursor.size();
  auto const run = std::from_chars(cursor.data(), end, work.run);
  if (run.ec != std::errc() || run.ptr == end || *run.ptr != '.') return std::nullopt;
  auto const batch = std::from_chars(run.ptr + 1, end, at.batch);
  if (batch.ec != std::errc() || batch.ptr == end || *batch.ptr != '.') return std::nullopt;
  auto const index = std::from_chars(batch.ptr + 1, end, at.index);
  if (index.ec != std::errc() || index.ptr != end) return std::nullopt;
  return work;
}

}  // namespace

io::Task<Result<std::vector<StreamState>>> MemoryProgress::load(ShardId shard) {
  check(shard == ShardId{}, "there is one shard");
  co_await turn();
  co_return with([](World& s) -> Result<std::vector<StreamState>> {
    std::vector<StreamState> all;
    for (auto const& [id, stream] : s.all) {
      StreamState state{id, stream.progress, {}, stream.undelivered.size()};
      for (auto const& [work, retry] : stream.retries) state.retries.push_back(retry);
      all.push_back(std::move(state));
    }
    return all;
  });
}

io::Task<Result<std::uint64_t>> MemoryProgress::keep(std::vector<StreamId> known) {
  co_await turn();
  co_return with([&](World& s) -> std::uint64_t {
    return std::erase_if(s.all, [&](auto const& entry) {
      return std::ranges::find(known, entry.first) == known.end();
    });
  });
}

io::Task<Result<std::vector<Saved>>> MemoryProgress::save(ShardId shard, std::uint64_t epoch,
                                                          std::vector<StreamDelta> deltas) {
  check(shard == ShardId{}, "there is one shard");
  std::set<StreamId> streams;
  for (auto const& delta : deltas) {
    check_delta(delta);
    check(streams.insert(delta.stream).second, "a stream has one delta in a call");
  }
  co_await turn();
  co_return start_.write([&](MemoryWorld& world) -> Result<std::vector<Saved>> {
    auto& s = world.streams;
    check(epoch <= world.epoch, "an epoch was given out before it is used");
    if (epoch < world.epoch) return fail(Fault::fenced, "progress: the shard has a newer owner");
    if (auto error = s.trouble.take()) return std::unexpected(std::move(*error));
    for (auto& delta : deltas) {
      if (delta.removed) {
        s.all.erase(delta.stream);
        continue;
      }
      auto& stream = s.all[delta.stream];
      stream.epoch = epoch;
      stream.progress = std::move(delta.progress);
      for (auto const& work : delta.retries_ended) stream.retries.erase(work);
      for (auto& retry : delta.retries) stream.retries[retry.work] = std::move(retry);
      for (auto const& work : delta.undelivered_ended) stream.undelivered.erase(work);
      for (auto& one : delta.undelivered) stream.undelivered[one.work] = std::move(one);
      for (auto const& more : delta.ledger) {
        auto& minute = stream.ledger[more.minute];
        minute.minute = more.minute;
        minute.delivered += more.delivered;
        minute.attempts_failed += more.attempts_failed;
        minute.undelivered_timeout += more.undelivered_timeout;
        minute.undelivered_other += more.undelivered_other;
      }
    }
    ++s.saves;
    if (auto error = s.answer_trouble.take()) return std::unexpected(std::move(*error));
    return std::vector(deltas.size(), Saved::stored);
  });
}

io::Task<Result<std::uint64_t>> MemoryProgress::undelivered_count(StreamId id) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::uint64_t> {
    auto const stream = s.all.find(id);
    return stream == s.all.end() ? 0 : stream->second.undelivered.size();
  });
}

io::Task<Result<Page<Undelivered>>> MemoryProgress::undelivered(StreamId id, std::string after,
                                                                PageLimits limits,
                                                                Payloads payloads) {
  check_limits(limits);
  co_await turn();
  co_return with([&](World& s) -> Result<Page<Undelivered>> {
    Page<Undelivered> page;
    auto const stream = s.all.find(id);
    if (stream == s.all.end()) return page;
    auto const& all = stream->second.undelivered;
    auto end = all.end();
    if (!after.empty()) {
      auto const work = work_of(after);
      if (!work) return fail(Fault::invalid, "cursor: is not one of this list");
      end = all.lower_bound(*work);
    }
    std::size_t bytes = 0;
    while (end != all.begin()) {
      auto item = std::prev(end)->second;
      if (payloads == Payloads::left_out) item.payload.clear();
      if (!take(page, bytes, size_of(item), std::move(item), limits)) break;
      --end;
    }
    if (end != all.begin()) page.next = cursor_of(page.items.back().work);
    return page;
  });
}

io::Task<Result<std::vector<LedgerMinute>>> MemoryProgress::ledger(StreamId id,
                                                                   std::int64_t from_minute,
                                                                   std::int64_t to_minute) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::vector<LedgerMinute>> {
    std::vector<LedgerMinute> found;
    auto const stream = s.all.find(id);
    if (stream == s.all.end()) return found;
    for (auto const& [minute, row] : stream->second.ledger)
      if (minute >= from_minute && minute < to_minute) found.push_back(row);
    return found;
  });
}

}  // namespace millrace::testing
