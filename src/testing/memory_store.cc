#include "testing/memory_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <charconv>
#include <deque>
#include <map>
#include <unordered_map>

#include "base/shares.h"

namespace millrace::testing {
namespace {

using namespace store;

struct Trouble {  // the next `count` calls fail with `error`
  std::size_t count = 0;
  Error error{};

  std::optional<Error> take() {
    if (count == 0) return std::nullopt;
    --count;
    return error;
  }
};

struct Follower {
  io::Executor loop;
  std::function<void(SharedBatch)> call;
};

struct Repeat {
  std::string body_hash;
  Appended appended;
  WallTime ends{};
};

struct Stream {
  StreamProgress progress;
  std::map<Position, Retry> retries;
  std::map<Position, Undelivered> undelivered;
  std::map<std::int64_t, LedgerMinute> ledger;
};

constexpr std::size_t letters_kept = 10'000;
constexpr std::size_t letter_bytes_kept = 64 * 1024 * 1024;
constexpr std::size_t letter_bytes = 64 * 1024;
constexpr std::size_t page_limit = 1'000;
constexpr std::size_t attempts_a_block = 100;  // as if they stood in blocks

void check_limits(PageLimits limits) {
  check(limits.items >= 1 && limits.items <= page_limit && limits.bytes >= 1,
        "a page has 1 to 1,000 items and at least a byte");
}

std::size_t size_of(DeadLetter const& letter) {
  return letter.payload.size() + letter.reason.size() + letter.account.size() +
         letter.source.size() + 64;
}
std::size_t size_of(Undelivered const& event) {
  return 256 + event.kind.account.size() + event.kind.type.size() + event.reason.size() +
         event.payload.size();
}
std::size_t size_of(Record const& record) { return record.id.size() + record.value.size() + 64; }
std::size_t size_of(model::Attempt const& attempt) {
  return 160 + attempt.event_type.size() + attempt.address.size() + attempt.reason.size() +
         attempt.response_headers.size() + attempt.response_body.size();
}

// False: the item has no room in the page any more.
template <class T>
bool take(Page<T>& page, std::size_t& bytes, T item, PageLimits limits) {
  bytes += size_of(item);
  if (page.items.size() == limits.items || (!page.items.empty() && bytes > limits.bytes))
    return false;
  page.items.push_back(std::move(item));
  return true;
}

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

void check_delta(StreamDelta const& delta) {
  auto const& progress = delta.progress;
  for (auto const& at : progress.settled_above)
    check(at >= progress.cursor, "settled positions are not below the cursor");
  check(std::ranges::is_sorted(progress.filters, {}, &FilterVersion::from_batch),
        "filters stand in order");
  for (auto const& retry : delta.retries) {
    check(retry.tried <= 3, "a retry has 0 to 3 tries behind it");
    check(std::ranges::find(delta.retries_ended, retry.at) == delta.retries_ended.end(),
          "a retry is put or ended, not both");
  }
  for (auto const& one : delta.undelivered)
    check(!one.payload.empty(), "what is undelivered keeps its payload");
}

std::string cursor_of(Position at) { return fmt::format("{}.{}", at.batch, at.index); }

std::optional<Position> position_of(std::string_view cursor) {
  Position at;
  auto const* const end = cursor.data() + cursor.size();
  auto const batch = std::from_chars(cursor.data(), end, at.batch);
  if (batch.ec != std::errc() || batch.ptr == end || *batch.ptr != '.') return std::nullopt;
  auto const index = std::from_chars(batch.ptr + 1, end, at.index);
  if (index.ec != std::errc() || index.ptr != end) return std::nullopt;
  return at;
}

}  // namespace

struct MemoryStore::State {
  std::deque<SharedBatch> log;
  std::uint64_t next = 1;
  std::uint64_t bytes = 0;
  WallTime newest{};
  std::vector<std::uint64_t> damaged;
  std::unordered_map<std::string, Repeat> repeats;
  std::vector<std::weak_ptr<Follower>> followers;
  std::map<StreamId, Stream> streams;
  std::map<std::pair<std::string, std::string>, Record> records;
  std::deque<DeadLetter> letters;
  Shares letter_counts, letter_sizes;                    // by owner
  std::map<std::string, std::uint64_t> letters_dropped;  // by account
  std::uint64_t letters_made = 0;
  std::vector<model::Attempt> attempts;
  Trouble append_trouble, answer_trouble, checkpoint_trouble, change_trouble, letter_trouble,
      read_trouble;
  std::size_t appends = 0, checkpoints = 0;
  bool held = false;
  std::vector<io::Resolver<bool>> waiting;
  bool closed = false;
  std::optional<std::uint64_t> doomed_to;  // the first batch that the last doomed() did not name

  std::uint64_t oldest() const { return next - log.size(); }
};

namespace {

// Lets the loop turn once, so that no caller comes to rely on an answer within the call.
io::Task<void> turn() {
  auto const executor = co_await io::asio::this_coro::executor;
  co_await io::asio::post(executor, io::as_task);
}

}  // namespace

MemoryStore::MemoryStore(io::Clock const& clock, MemoryStoreSettings settings)
    : clock_(clock), settings_(settings), state_(std::make_unique<io::Locked<State>>()) {}

MemoryStore::~MemoryStore() {
  state_->with([](State& s) {
    check(s.waiting.empty(), "held appends are released before their store ends");
  });
}

void MemoryStore::busy_appends(std::size_t count) {
  fail_appends(count, {Fault::busy, "store: its queue is full"});
}
void MemoryStore::fail_appends(std::size_t count, Error error) {
  state_->with([&](State& s) { s.append_trouble = {count, std::move(error)}; });
}
void MemoryStore::lose_answers(std::size_t count, Error error) {
  state_->with([&](State& s) { s.answer_trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_checkpoints(std::size_t count, Error error) {
  state_->with([&](State& s) { s.checkpoint_trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_changes(std::size_t count, Error error) {
  state_->with([&](State& s) { s.change_trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_dead_letters(std::size_t count, Error error) {
  state_->with([&](State& s) { s.letter_trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_reads(std::size_t count, Error error) {
  state_->with([&](State& s) { s.read_trouble = {count, std::move(error)}; });
}
void MemoryStore::damage(std::uint64_t batch) {
  state_->with([&](State& s) { s.damaged.push_back(batch); });
}
void MemoryStore::hold_appends() {
  state_->with([](State& s) { s.held = true; });
}
void MemoryStore::release_appends() {
  auto waiting = state_->with([](State& s) {
    s.held = false;
    return std::exchange(s.waiting, {});
  });
  for (auto& one : waiting) one(true);
}

std::vector<SharedBatch> MemoryStore::log() const {
  return state_->with([](State const& s) { return std::vector(s.log.begin(), s.log.end()); });
}
std::vector<std::string> MemoryStore::payloads() const {
  std::vector<std::string> all;
  for (auto const& batch : log())
    for (std::size_t i = 0; i < batch->events.size(); ++i)
      all.emplace_back(batch->events[i].payload);
  return all;
}
std::size_t MemoryStore::appends() const {
  return state_->with([](State const& s) { return s.appends; });
}
std::size_t MemoryStore::checkpoints() const {
  return state_->with([](State const& s) { return s.checkpoints; });
}
std::vector<DeadLetter> MemoryStore::letters() const {
  return state_->with(
      [](State const& s) { return std::vector(s.letters.begin(), s.letters.end()); });
}
std::vector<model::Attempt> MemoryStore::tried() const {
  return state_->with([](State const& s) { return s.attempts; });
}

// ---- the event log ------------------------------------------------------------------------------------------------------------

Result<Appended> MemoryStore::commit(State& s, model::EventBlock events,
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
    batch->first_id = Uuid::v7(s.newest, 0, batch->number << 16);
    batch->first_id.low &= ~std::uint64_t{0xFFFF};
    s.bytes += part.payload_bytes();
    batch->events = std::move(part);
    s.log.push_back(batch);
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

io::Task<Result<Appended>> MemoryStore::append(model::EventBlock events,
                                               std::optional<RepeatKey> repeat) {
  check_block(events);
  if (repeat) check_repeat(*repeat);
  bool const held = state_->with([](State& s) {
    check(!s.closed, "nothing is called after close()");
    ++s.appends;
    return s.held;
  });
  if (held) {
    static_cast<void>(co_await io::answer<bool>([this](io::Resolver<bool> done) {
      state_->with([&](State& s) {
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
  co_return state_->with([&](State& s) -> Result<Appended> {
    if (auto error = s.append_trouble.take()) return std::unexpected(std::move(*error));
    auto appended = commit(s, std::move(events), std::move(repeat));
    if (auto error = s.answer_trouble.take()) return std::unexpected(std::move(*error));
    return appended;
  });
}

io::Task<Result<std::vector<SharedBatch>>> MemoryStore::read(std::uint64_t first,
                                                             ReadLimits limits) {
  check(first >= 1 && limits.batches >= 1, "a read begins at a batch and asks for at least one");
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::vector<SharedBatch>> {
    check(!s.closed, "nothing is called after close()");
    if (auto error = s.read_trouble.take()) return std::unexpected(std::move(*error));
    if (first < s.oldest())
      return fail(Fault::missing,
                  fmt::format("event log: batch {} is gone; the oldest is {}", first, s.oldest()));
    std::vector<SharedBatch> found;
    std::size_t bytes = 0;
    for (auto number = first; number < s.next && found.size() < limits.batches; ++number) {
      if (std::ranges::find(s.damaged, number) != s.damaged.end()) continue;
      auto const& batch = s.log[number - s.oldest()];
      bytes += batch->events.payload_bytes();
      if (!found.empty() && bytes > limits.bytes) break;
      found.push_back(batch);
    }
    return found;
  });
}

io::Task<Result<std::vector<BatchSummary>>> MemoryStore::summaries(std::uint64_t first,
                                                                   std::size_t limit) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::vector<BatchSummary>> {
    check(!s.closed, "nothing is called after close()");
    if (auto error = s.read_trouble.take()) return std::unexpected(std::move(*error));
    if (first < s.oldest())
      return fail(Fault::missing,
                  fmt::format("event log: batch {} is gone; the oldest is {}", first, s.oldest()));
    std::vector<BatchSummary> found;
    for (auto number = first; number < s.next && found.size() < limit; ++number) {
      auto const& batch = s.log[number - s.oldest()];
      found.push_back({batch->number, batch->accepted_at, batch->events.kinds()});
    }
    return found;
  });
}

io::Task<Result<std::uint64_t>> MemoryStore::batch_at(WallTime time) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::uint64_t> {
    auto const at = std::ranges::lower_bound(
        s.log, time, {}, [](SharedBatch const& batch) { return batch->accepted_at; });
    return at == s.log.end() ? s.next : (*at)->number;
  });
}

io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> MemoryStore::find(EventId event) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::pair<SharedBatch, std::uint32_t>> {
    for (auto const& batch : s.log) {
      auto const index = event.uuid.low - batch->first_id.low;
      if (event.uuid.high == batch->first_id.high && index < batch->events.size())
        return std::pair(batch, static_cast<std::uint32_t>(index));
    }
    return fail(Fault::missing, "event: there is none with this id");
  });
}

std::string MemoryStore::refuses() { return {}; }

LogRange MemoryStore::range() const {
  return state_->with([](State const& s) { return LogRange{s.oldest(), s.next, s.bytes}; });
}

std::shared_ptr<void> MemoryStore::follow(io::Executor loop,
                                          std::function<void(SharedBatch)> batch) {
  auto follower = std::make_shared<Follower>(Follower{std::move(loop), std::move(batch)});
  state_->with([&](State& s) {
    check(!s.closed, "nothing is called after close()");
    s.followers.push_back(follower);
  });
  return follower;
}

io::Task<Result<std::vector<store::BatchSummary>>> MemoryStore::doomed(WallTime now) {
  co_await turn();
  co_return state_->with([&](State& s) {
    auto const oldest_kept = now - std::chrono::duration_cast<WallTime::duration>(settings_.keep);
    std::vector<store::BatchSummary> going;
    auto bytes = s.bytes;
    for (auto const& batch : s.log) {
      if (batch->accepted_at >= oldest_kept && bytes <= settings_.keep_bytes) break;
      bytes -= batch->events.payload_bytes();
      going.push_back({batch->number, batch->accepted_at, batch->events.kinds()});
    }
    s.doomed_to = s.oldest() + going.size();
    return Result<std::vector<store::BatchSummary>>(std::move(going));
  });
}

io::Task<Result<LogRange>> MemoryStore::retain(WallTime now) {
  co_await turn();
  state_->with([&](State& s) {
    auto const oldest_kept = now - std::chrono::duration_cast<WallTime::duration>(settings_.keep);
    auto const end = std::exchange(s.doomed_to, std::nullopt).value_or(s.next);
    while (!s.log.empty() && s.oldest() < end &&
           (s.log.front()->accepted_at < oldest_kept || s.bytes > settings_.keep_bytes)) {
      s.bytes -= s.log.front()->events.payload_bytes();
      s.log.pop_front();
    }
    auto const failed_before =
        now - std::chrono::duration_cast<WallTime::duration>(settings_.keep_undelivered);
    for (auto& [id, stream] : s.streams)
      std::erase_if(stream.undelivered,
                    [&](auto const& item) { return item.second.failed_at < failed_before; });
  });
  co_return range();
}

// ---- the state of streams -----------------------------------------------------------------------------------------------------

io::Task<Result<std::vector<StreamState>>> MemoryStore::load_streams() {
  co_await turn();
  co_return state_->with([](State& s) -> Result<std::vector<StreamState>> {
    std::vector<StreamState> all;
    for (auto const& [id, stream] : s.streams) {
      StreamState state{id, stream.progress, {}, stream.undelivered.size()};
      for (auto const& [at, retry] : stream.retries) state.retries.push_back(retry);
      all.push_back(std::move(state));
    }
    return all;
  });
}

io::Task<Result<std::uint64_t>> MemoryStore::keep_streams(std::vector<StreamId> known) {
  co_await turn();
  co_return state_->with([&](State& s) -> std::uint64_t {
    return std::erase_if(s.streams, [&](auto const& entry) {
      return std::ranges::find(known, entry.first) == known.end();
    });
  });
}

io::Task<Result<void>> MemoryStore::checkpoint(std::vector<StreamDelta> deltas) {
  for (auto const& delta : deltas) check_delta(delta);
  co_await turn();
  co_return state_->with([&](State& s) -> Result<void> {
    check(!s.closed, "nothing is called after close()");
    if (auto error = s.checkpoint_trouble.take()) return std::unexpected(std::move(*error));
    for (auto& delta : deltas) {
      if (delta.removed) {
        s.streams.erase(delta.stream);
        continue;
      }
      auto& stream = s.streams[delta.stream];
      stream.progress = std::move(delta.progress);
      for (auto const& at : delta.retries_ended) stream.retries.erase(at);
      for (auto& retry : delta.retries) stream.retries[retry.at] = std::move(retry);
      for (auto const& at : delta.undelivered_ended) stream.undelivered.erase(at);
      for (auto& one : delta.undelivered) stream.undelivered[one.at] = std::move(one);
      for (auto const& more : delta.ledger) {
        auto& minute = stream.ledger[more.minute];
        minute.minute = more.minute;
        minute.delivered += more.delivered;
        minute.attempts_failed += more.attempts_failed;
        minute.undelivered_timeout += more.undelivered_timeout;
        minute.undelivered_other += more.undelivered_other;
      }
    }
    ++s.checkpoints;
    return {};
  });
}

io::Task<Result<std::uint64_t>> MemoryStore::undelivered_count(StreamId id) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::uint64_t> {
    auto const stream = s.streams.find(id);
    return stream == s.streams.end() ? 0 : stream->second.undelivered.size();
  });
}

io::Task<Result<Page<Undelivered>>> MemoryStore::undelivered(StreamId id, std::string after,
                                                             PageLimits limits, Payloads payloads) {
  check_limits(limits);
  co_await turn();
  co_return state_->with([&](State& s) -> Result<Page<Undelivered>> {
    Page<Undelivered> page;
    auto const stream = s.streams.find(id);
    if (stream == s.streams.end()) return page;
    auto const& all = stream->second.undelivered;
    auto end = all.end();
    if (!after.empty()) {
      auto const at = position_of(after);
      if (!at) return fail(Fault::invalid, "cursor: is not one of this list");
      end = all.lower_bound(*at);
    }
    std::size_t bytes = 0;
    while (end != all.begin()) {
      auto item = std::prev(end)->second;
      if (payloads == Payloads::left_out) item.payload.clear();
      if (!take(page, bytes, std::move(item), limits)) break;
      --end;
    }
    if (end != all.begin()) page.next = cursor_of(page.items.back().at);
    return page;
  });
}

io::Task<Result<std::vector<LedgerMinute>>> MemoryStore::ledger(StreamId id,
                                                                std::int64_t from_minute,
                                                                std::int64_t to_minute) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::vector<LedgerMinute>> {
    std::vector<LedgerMinute> found;
    auto const stream = s.streams.find(id);
    if (stream == s.streams.end()) return found;
    for (auto const& [minute, row] : stream->second.ledger)
      if (minute >= from_minute && minute < to_minute) found.push_back(row);
    return found;
  });
}

// ---- records ------------------------------------------------------------------------------------------------------------------

io::Task<Result<void>> MemoryStore::change(std::vector<RecordChange> changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    check(!changes[i].collection.empty() && !changes[i].id.empty(),
          "a record has a collection and an id");
    for (std::size_t k = 0; k < i; ++k)
      check(changes[k].collection != changes[i].collection || changes[k].id != changes[i].id,
            "a record changes once in a call");
  }
  co_await turn();
  co_return state_->with([&](State& s) -> Result<void> {
    check(!s.closed, "nothing is called after close()");
    if (auto error = s.change_trouble.take()) return std::unexpected(std::move(*error));
    for (auto const& change : changes) {
      auto const at = s.records.find({change.collection, change.id});
      bool const exists = at != s.records.end();
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
        s.records.erase(key);
        continue;
      }
      auto& record = s.records[key];
      record = {change.collection, change.id, record.version + 1, std::move(*change.value)};
    }
    return {};
  });
}

io::Task<Result<std::vector<Record>>> MemoryStore::records(std::string collection) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::vector<Record>> {
    std::vector<Record> found;
    for (auto at = s.records.lower_bound({collection, ""});
         at != s.records.end() && at->first.first == collection; ++at)
      found.push_back(at->second);
    return found;
  });
}

io::Task<Result<Page<Record>>> MemoryStore::newest_records(std::string collection,
                                                           std::string after, PageLimits limits) {
  check_limits(limits);
  co_await turn();
  co_return state_->with([&](State& s) -> Result<Page<Record>> {
    Page<Record> page;
    auto const begin = s.records.lower_bound({collection, ""});
    auto end = after.empty() ? s.records.lower_bound({collection + '\0', ""})
                             : s.records.lower_bound({collection, after});
    std::size_t bytes = 0;
    while (end != begin && take(page, bytes, std::prev(end)->second, limits)) --end;
    if (end != begin) page.next = page.items.back().id;
    return page;
  });
}

io::Task<Result<void>> MemoryStore::add_dead_letters(std::vector<DeadLetter> letters) {
  check(!letters.empty(), "dead letters are added where there are some");
  for (auto const& letter : letters)
    check(!letter.source.empty() && !letter.reason.empty(),
          "a dead letter has a source and a reason");
  co_await turn();
  auto const now = clock_.wall();
  co_return state_->with([&](State& s) -> Result<void> {
    check(!s.closed, "nothing is called after close()");
    if (auto error = s.letter_trouble.take()) return std::unexpected(std::move(*error));
    for (auto& letter : letters) {
      if (letter.id.empty()) letter.id = Uuid::v7(now, 0, s.letters_made).text();
      if (letter.at == WallTime{}) letter.at = now;
      if (letter.payload.size() > letter_bytes) letter.payload.resize(letter_bytes);
      if (letter.owner.empty()) letter.owner = letter.account;
      ++s.letters_made;
      s.letter_counts.add(letter.owner, 1);
      s.letter_sizes.add(letter.owner, size_of(letter));
      s.letters.push_back(std::move(letter));
    }
    while (s.letters.size() > letters_kept || s.letter_sizes.total() > letter_bytes_kept) {
      auto const owner =
          s.letters.size() > letters_kept ? s.letter_counts.largest() : s.letter_sizes.largest();
      auto const oldest = std::ranges::find(s.letters, owner, &DeadLetter::owner);
      s.letter_counts.remove(owner, 1);
      s.letter_sizes.remove(owner, size_of(*oldest));
      ++s.letters_dropped[oldest->account];
      s.letters.erase(oldest);
    }
    return {};
  });
}

io::Task<Result<std::vector<DroppedLetters>>> MemoryStore::dropped_letters() {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<std::vector<DroppedLetters>> {
    std::vector<DroppedLetters> all;
    for (auto const& [account, count] : s.letters_dropped) all.push_back({account, count});
    return all;
  });
}

io::Task<Result<Page<DeadLetter>>> MemoryStore::dead_letters(std::string after, PageLimits limits) {
  check_limits(limits);
  co_await turn();
  co_return state_->with([&](State& s) -> Result<Page<DeadLetter>> {
    Page<DeadLetter> page;
    std::size_t bytes = 0;
    bool passed = after.empty();
    for (auto at = s.letters.rbegin(); at != s.letters.rend(); ++at) {
      if (passed && !take(page, bytes, *at, limits)) {
        page.next = page.items.back().id;
        break;
      }
      passed = passed || at->id == after;
    }
    return page;
  });
}

io::Task<Result<DeadLetter>> MemoryStore::dead_letter(std::string id) {
  co_await turn();
  co_return state_->with([&](State& s) -> Result<DeadLetter> {
    auto const at = std::ranges::find(s.letters, id, &DeadLetter::id);
    if (at == s.letters.end()) return fail(Fault::missing, "dead letter " + id + ": there is none");
    return *at;
  });
}

// ---- attempts -----------------------------------------------------------------------------------------------------------------

void MemoryStore::add_attempt(model::Attempt attempt) {
  check(attempt.number >= 1 && attempt.number <= 4,
        "an attempt is the first to the fourth of its run");
  state_->with([&](State& s) {
    check(!s.closed, "nothing is called after close()");
    s.attempts.push_back(std::move(attempt));
  });
}

io::Task<Result<Page<model::Attempt>>> MemoryStore::attempts(AttemptQuery query) {
  check_limits({query.limit, query.most_bytes});
  check(query.most_blocks >= 1, "a search reads a block at least");
  co_await turn();
  co_return state_->with([&](State& s) -> Result<Page<model::Attempt>> {
    auto const fits = [&](model::Attempt const& attempt) {
      using model::AttemptOutcome;
      if (!query.any_stream && attempt.stream != query.stream) return false;
      if (query.outcome && (*query.outcome == AttemptOutcome::delivered) !=
                               (attempt.outcome == AttemptOutcome::delivered))
        return false;
      if (query.event_type && *query.event_type != attempt.event_type) return false;
      if (query.event && *query.event != attempt.event) return false;
      return !query.since || attempt.at >= *query.since;
    };
    std::size_t end = s.attempts.size();
    if (!query.after.empty()) {
      auto const [rest, error] =
          std::from_chars(query.after.data(), query.after.data() + query.after.size(), end);
      if (error != std::errc() || end > s.attempts.size())
        return fail(Fault::invalid, "cursor: is not one of this list");
    }
    Page<model::Attempt> page;
    std::size_t bytes = 0;
    auto const last = end - std::min(end, query.most_blocks * attempts_a_block);
    while (end > last) {
      auto const& attempt = s.attempts[end - 1];
      if (fits(attempt) && !take(page, bytes, attempt, {query.limit, query.most_bytes})) break;
      --end;
    }
    if (end > 0) page.next = std::to_string(end);
    return page;
  });
}

io::Task<Result<void>> MemoryStore::close() {
  co_await turn();
  state_->with([](State& s) {
    check(!s.closed, "a store is closed once");
    s.closed = true;
  });
  co_return Result<void>();
}

}  // namespace millrace::testing
