#include "testing/memory_store.h"

#include <boost/asio/post.hpp>

namespace millrace::testing {

using namespace store;

// ---- what all parts use

io::Task<void> turn() {
  auto const executor = co_await io::asio::this_coro::executor;
  co_await io::asio::post(executor, io::as_task);
}

void check_limits(PageLimits limits) {
  constexpr std::size_t page_limit = 1'000;
  check(limits.items >= 1 && limits.items <= page_limit && limits.bytes >= 1,
        "a page has 1 to 1,000 items and at least a byte");
}

// ---- leases

io::Task<Result<Lease>> MemoryLeases::take(ShardId shard) {
  check(shard == ShardId{}, "there is one shard");
  co_await turn();
  co_return start_.write([&](MemoryWorld& s) -> Result<Lease> { return Lease{shard, s.epoch}; });
}
io::Task<Result<void>> MemoryLeases::renew(Lease lease) {
  co_await turn();
  co_return start_.write([&](MemoryWorld& s) -> Result<void> {
    check(lease.epoch <= s.epoch, "an epoch was given out before it is used");
    if (lease.epoch < s.epoch) return fail(Fault::fenced, "lease: the shard has a newer owner");
    return {};
  });
}
io::Task<Result<void>> MemoryLeases::release(Lease /*lease*/) {
  co_await turn();
  co_return Result<void>();
}

// ---- the store

MemoryStore::MemoryStore(io::Clock const& clock, MemoryStoreSettings settings)
    : MemoryStore(clock, settings, {std::make_shared<io::Locked<MemoryWorld>>(), 1}) {}

MemoryStore::MemoryStore(MemoryStore& earlier, io::Clock const& clock)
    : MemoryStore(clock, earlier.settings_,
                  {earlier.start_.world,
                   earlier.start_.world->with([](MemoryWorld& s) { return ++s.epoch; })}) {}

MemoryStore::MemoryStore(io::Clock const& clock, MemoryStoreSettings settings, MemoryStart start)
    : time_(clock),
      settings_(settings),
      start_(std::move(start)),
      log_(start_, clock, settings),
      progress_(start_),
      records_(start_),
      letters_(start_, clock),
      attempts_(start_),
      leases_(start_) {}

MemoryStore::~MemoryStore() {
  start_.world->with([](MemoryWorld& s) {
    check(s.log.waiting.empty(), "held appends are released before their store ends");
  });
}

void MemoryStore::busy_appends(std::size_t count) {
  fail_appends(count, {Fault::busy, "store: its queue is full"});
}
void MemoryStore::fail_appends(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.log.append_trouble = {count, std::move(error)}; });
}
void MemoryStore::lose_answers(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.log.answer_trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_checkpoints(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.streams.trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_changes(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.records.trouble = {count, std::move(error)}; });
}
void MemoryStore::lose_checkpoints(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.streams.answer_trouble = {count, std::move(error)}; });
}
void MemoryStore::lose_changes(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.records.answer_trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_dead_letters(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.letters.trouble = {count, std::move(error)}; });
}
void MemoryStore::fail_reads(std::size_t count, Error error) {
  start_.world->with([&](MemoryWorld& s) { s.log.read_trouble = {count, std::move(error)}; });
}
void MemoryStore::damage(std::uint64_t batch) {
  start_.world->with([&](MemoryWorld& s) { s.log.damaged.push_back(batch); });
}
void MemoryStore::hold_appends() {
  start_.world->with([](MemoryWorld& s) { s.log.held = true; });
}
void MemoryStore::release_appends() {
  auto waiting = start_.world->with([](MemoryWorld& s) {
    s.log.held = false;
    return std::exchange(s.log.waiting, {});
  });
  for (auto& one : waiting) one(true);
}

std::vector<SharedBatch> MemoryStore::log() const {
  return start_.world->with(
      [](MemoryWorld const& s) { return std::vector(s.log.batches.begin(), s.log.batches.end()); });
}
std::vector<std::string> MemoryStore::payloads() const {
  std::vector<std::string> all;
  for (auto const& batch : log())
    for (std::size_t i = 0; i < batch->events.size(); ++i)
      all.emplace_back(batch->events[i].payload);
  return all;
}
std::size_t MemoryStore::appends() const {
  return start_.world->with([](MemoryWorld const& s) { return s.log.appends; });
}
std::size_t MemoryStore::checkpoints() const {
  return start_.world->with([](MemoryWorld const& s) { return s.streams.saves; });
}
std::vector<DeadLetter> MemoryStore::letters() const {
  return start_.world->with(
      [](MemoryWorld const& s) { return std::vector(s.letters.all.begin(), s.letters.all.end()); });
}
std::vector<model::Attempt> MemoryStore::tried() const {
  return start_.world->with([](MemoryWorld const& s) { return s.attempts; });
}

io::Task<Result<LogRange>> MemoryStore::retain(WallTime now) {
  co_await turn();
  start_.with([&](MemoryWorld& s) {
    auto const failed_before =
        now - std::chrono::duration_cast<WallTime::duration>(settings_.keep_undelivered);
    for (auto& [id, stream] : s.streams.all)
      std::erase_if(stream.undelivered,
                    [&](auto const& item) { return item.second.failed_at < failed_before; });
  });
  co_return co_await log_.retain(now);
}

io::Task<Result<void>> MemoryStore::close() {
  co_await turn();
  start_.world->with([&](MemoryWorld& s) {
    check(s.closed.insert(start_.epoch).second, "a store is closed once");
  });
  co_return Result<void>();
}

}  // namespace millrace::testing
