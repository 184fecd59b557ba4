#include "testing/memory_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

namespace millrace::testing {

using namespace store;

namespace {

bool is_object_in_shape(std::string_view json) {
  return json.starts_with('{') && json.ends_with('}');
}

void check_block(model::EventBlock const& events) {
  check(!events.empty(), "an append has events");
  for (auto const& [kind, count] : events.kinds()) {
    check(!kind.account.empty() && kind.account.size() <= model::Limits::name_bytes,
          "an account has 1 to 255 bytes");
    check(!kind.type.empty() && kind.type.size() <= model::Limits::name_bytes,
          "an event type has 1 to 255 bytes");
    check(count > 0, "a kind of a block has events");
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    auto const event = events[i];
    check(event.payload.size() <= model::Limits::event_bytes, "an event is within its limit");
    check(is_object_in_shape(event.metadata()), "metadata is an object");
    check(is_object_in_shape(event.body()), "body is an object");
  }
}

void check_repeat(RepeatKey const& repeat) {
  check(!repeat.key.empty() && repeat.key.size() <= 512, "a repeat key has 1 to 512 bytes");
  check(repeat.body_hash.size() == 32, "a body hash has 32 bytes");
  check(repeat.answer.size() <= 64 * 1024, "a repeat's answer has at most 64 KiB");
  check(repeat.keep > Duration::zero(), "a repeat key is kept for a time");
}

}  // namespace

Result<Appended> MemoryLog::commit(World& s, std::uint64_t changes, model::EventBlock events,
                                   std::optional<RepeatKey> repeat) {
  auto const now = clock_.wall();
  if (repeat) {
    auto const known = s.repeats.find(repeat->key);
    if (known != s.repeats.end() && known->second.ends > now) {
      if (known->second.body_hash != repeat->body_hash)
        return fail(Fault::conflict, "repeat key: used with another body");
      return known->second.appended;
    }
  }
  s.newest = std::max(s.newest, from_unix_ms(unix_ms(now)));
  Position const first{s.next, 0};
  std::vector<model::EventBlock> parts;
  if (events.payload_bytes() <= settings_.batch_bytes && events.size() <= 0xFFFF) {
    parts.push_back(std::move(events));
  } else {
    for (std::size_t i = 0; i < events.size(); ++i) {
      auto const event = events[i];
      if (parts.empty() ||
          parts.back().payload_bytes() + event.payload.size() > settings_.batch_bytes ||
          parts.back().size() == 0xFFFF)
        parts.emplace_back();
      parts.back().add(events.kinds()[event.kind].kind, event.payload, event.metadata_bytes);
    }
  }
  for (auto& part : parts) {
    auto batch = std::make_shared<RecordBatch>();
    batch->number = s.next++;
    batch->accepted_at = s.newest;
    batch->changes = changes;
    batch->first_id = Uuid::v7(s.newest, 0, batch->number << 16);
    batch->first_id.low &= ~std::uint64_t{0xFFFF};
    s.bytes += part.payload_bytes();
    batch->events = std::move(part);
    s.batches.push_back(batch);
    std::erase_if(s.followers, [&](auto const& weak) {
      auto const follower = weak.lock();
      if (!follower) return true;
      // Posted under the lock: followers see batches in the order of their numbers.
      io::asio::post(follower->loop, [weak, batch] {
        if (auto const alive = weak.lock()) alive->call(batch);
      });
      return false;
    });
  }
  Appended appended{first, false, repeat ? repeat->answer : std::string()};
  if (repeat) {
    auto stored = appended;
    stored.repeated = true;
    s.repeats[repeat->key] = {repeat->body_hash, std::move(stored),
                              now + std::chrono::duration_cast<WallTime::duration>(repeat->keep)};
  }
  return appended;
}

io::Task<Result<Appended>> MemoryLog::append(model::EventBlock events,
                                             std::optional<RepeatKey> repeat) {
  check_block(events);
  if (repeat) check_repeat(*repeat);
  bool const held = with([](World& s) {
    ++s.appends;
    return s.held;
  });
  if (held) {
    static_cast<void>(co_await io::answer<bool>([this](io::Resolver<bool> done) {
      with([&](World& s) {
        if (s.held) {
          s.waiting.push_back(std::move(done));
        } else {
          done(true);
        }
      });
    }));
  } else {
    co_await turn();
  }
  co_return start_.write([&](MemoryWorld& world) -> Result<Appended> {
    auto& s = world.log;
    if (auto error = s.append_trouble.take()) return std::unexpected(std::move(*error));
    auto appended = commit(s, world.records.changes, std::move(events), std::move(repeat));
    if (auto error = s.answer_trouble.take()) return std::unexpected(std::move(*error));
    return appended;
  });
}

io::Task<Result<std::vector<SharedBatch>>> MemoryLog::read(std::uint64_t first, ReadLimits limits) {
  check(first >= 1 && limits.batches >= 1, "a read begins at a batch and asks for at least one");
  co_await turn();
  co_return with([&](World& s) -> Result<std::vector<SharedBatch>> {
    if (auto error = s.read_trouble.take()) return std::unexpected(std::move(*error));
    if (first < s.oldest())
      return fail(Fault::missing,
                  fmt::format("event log: batch {} is gone; the oldest is {}", first, s.oldest()));
    std::vector<SharedBatch> found;
    std::size_t bytes = 0;
    for (auto number = first; number < s.next && found.size() < limits.batches; ++number) {
      if (std::ranges::find(s.damaged, number) != s.damaged.end()) continue;
      auto const& batch = s.batches[number - s.oldest()];
      bytes += batch->events.payload_bytes();
      if (!found.empty() && bytes > limits.bytes) break;
      found.push_back(batch);
    }
    return found;
  });
}

io::Task<Result<std::vector<BatchSummary>>> MemoryLog::summaries(std::uint64_t first,
                                                                 std::size_t limit) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::vector<BatchSummary>> {
    if (auto error = s.read_trouble.take()) return std::unexpected(std::move(*error));
    if (first < s.oldest())
      return fail(Fault::missing,
                  fmt::format("event log: batch {} is gone; the oldest is {}", first, s.oldest()));
    std::vector<BatchSummary> found;
    for (auto number = first; number < s.next && found.size() < limit; ++number) {
      auto const& batch = s.batches[number - s.oldest()];
      found.push_back({batch->number, batch->accepted_at, batch->events.kinds()});
    }
    return found;
  });
}

io::Task<Result<std::uint64_t>> MemoryLog::batch_at(WallTime time) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::uint64_t> {
    auto const at = std::ranges::lower_bound(
        s.batches, time, {}, [](SharedBatch const& batch) { return batch->accepted_at; });
    return at == s.batches.end() ? s.next : (*at)->number;
  });
}

io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> MemoryLog::find(EventId event) {
  co_await turn();
  co_return with([&](World& s) -> Result<std::pair<SharedBatch, std::uint32_t>> {
    for (auto const& batch : s.batches) {
      auto const index = event.uuid.low - batch->first_id.low;
      if (event.uuid.high == batch->first_id.high && index < batch->events.size())
        return std::pair(batch, static_cast<std::uint32_t>(index));
    }
    return fail(Fault::missing, "event: there is none with this id");
  });
}

std::string MemoryLog::refuses() { return {}; }

LogRange MemoryLog::range() const {
  return with([](World& s) { return LogRange{s.oldest(), s.next, s.bytes}; });
}

std::shared_ptr<void> MemoryLog::follow(io::Executor loop, std::function<void(SharedBatch)> batch) {
  auto follower = std::make_shared<MemoryWorld::Follower>(
      MemoryWorld::Follower{std::move(loop), std::move(batch)});
  with([&](World& s) { s.followers.push_back(follower); });
  return follower;
}

io::Task<Result<std::vector<store::BatchSummary>>> MemoryLog::doomed(WallTime now) {
  co_await turn();
  co_return with([&](World& s) {
    auto const oldest_kept = now - std::chrono::duration_cast<WallTime::duration>(settings_.keep);
    std::vector<store::BatchSummary> going;
    auto bytes = s.bytes;
    for (auto const& batch : s.batches) {
      if (batch->accepted_at >= oldest_kept && bytes <= settings_.keep_bytes) break;
      bytes -= batch->events.payload_bytes();
      going.push_back({batch->number, batch->accepted_at, batch->events.kinds()});
    }
    s.doomed_to = s.oldest() + going.size();
    return Result<std::vector<store::BatchSummary>>(std::move(going));
  });
}

io::Task<Result<LogRange>> MemoryLog::retain(WallTime now) {
  co_await turn();
  with([&](World& s) {
    auto const oldest_kept = now - std::chrono::duration_cast<WallTime::duration>(settings_.keep);
    auto const end = std::exchange(s.doomed_to, std::nullopt).value_or(s.next);
    while (!s.batches.empty() && s.oldest() < end &&
           (s.batches.front()->accepted_at < oldest_kept || s.bytes > settings_.keep_bytes)) {
      s.bytes -= s.batches.front()->events.payload_bytes();
      s.batches.pop_front();
    }
  });
  co_return range();
}

}  // namespace millrace::testing
