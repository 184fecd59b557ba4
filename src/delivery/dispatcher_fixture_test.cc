// What dispatcher_fixture.h declares.
#include "delivery/dispatcher_fixture.h"

#include "crypto/key_fixture.h"

namespace millrace::delivery {
namespace {

crypto::SigningKey const& signing_key(int number) {
  static auto const first = crypto::SigningKey::from_pem(crypto::fixture::pem);
  static auto const second = crypto::SigningKey::generate();
  return number == 1 ? *first : second;
}

crypto::KeyRing first_ring(WallTime now) {
  return *crypto::KeyRing::make({test_key(1, now - std::chrono::hours(24 * 10))});
}

}  // namespace

crypto::RingKey test_key(int number, WallTime active_from) {
  return {"kid-" + std::to_string(number), signing_key(number), active_from, active_from, {}};
}

DispatcherTest::DispatcherTest()
    : memory(sim.clock()),
      store(std::make_unique<CutStore>(memory)),
      keys(first_ring(sim.clock().wall())),
      transports(std::make_shared<ScriptedTransports>(sim.clock())) {
  settings.signing_threads = 0;
}

DispatcherTest::~DispatcherTest() {
  if (dispatcher) crash();
  for (auto& [old, its_store] : crashed_) {
    auto const ended = sim.start(old->stop(sim.clock().now()));
    sim.advance(1s);
    EXPECT_TRUE(ended.done());
  }
  EXPECT_THAT(sim.log().lines("", LogLevel::error), ::testing::SizeIs(expected_errors));
}

model::DataStream DispatcherTest::stream(std::uint64_t n, std::vector<std::string> types) {
  model::DataStream stream;
  stream.id = id(n);
  stream.name = "stream " + std::to_string(n);
  stream.account = "root-1";
  stream.event_types = std::move(types);
  stream.delivery.url = url(n);
  return stream;
}

void DispatcherTest::open(std::vector<model::DataStream> streams) {
  std::vector<model::DesiredStream> desired;
  for (auto& stream : streams) desired.push_back({.stream = std::move(stream)});
  open_desired(std::move(desired));
}

void DispatcherTest::open_desired(std::vector<model::DesiredStream> streams) {
  auto opened = run(open_dispatcher({*store,
                                     {transports},
                                     {sim.executor()},
                                     keys,
                                     sim.clock(),
                                     sim.random(testing::always(0.5)),
                                     sim.log(),
                                     caliper},
                                    settings, std::move(streams)));
  ASSERT_TRUE(opened);
  dispatcher = std::move(*opened);
}

void DispatcherTest::stop(Duration within) {
  auto const ended = sim.start(dispatcher->stop(
      sim.clock().now() + std::chrono::duration_cast<SteadyTime::duration>(within)));
  sim.advance(within);
  ASSERT_TRUE(ended.done());
  dispatcher = nullptr;
}

void DispatcherTest::crash() {
  store->cut = true;
  crashed_.emplace_back(std::move(dispatcher), std::move(store));
  store = std::make_unique<CutStore>(memory);
  // The old process' sends reach nobody any more; the new one finds its endpoints anew.
  auto fresh = std::make_shared<ScriptedTransports>(*transports);
  fresh->detach();
  transports = std::move(fresh);
}

std::vector<EventId> DispatcherTest::append(std::size_t count, std::string type,
                                            std::string account, std::size_t bytes) {
  model::EventBlock block;
  for (std::size_t i = 0; i < count; ++i)
    block.add(account, type, R"({"event_name":")" + type + "\"}",
              R"({"n":)" + std::to_string(i) + R"(,"text":")" + std::string(bytes, 'x') + "\"}");
  auto const appended = sim.run(memory.append(std::move(block), std::nullopt));
  check(appended.has_value(), "the memory store appends");
  std::vector<EventId> ids;
  for (auto const& batch : memory.log())
    for (std::uint32_t i = 0; i < batch->events.size(); ++i)
      if (store::Position{batch->number, i} >= appended->first) ids.push_back(batch->id_of(i));
  return ids;
}

store::StreamState DispatcherTest::stored(std::uint64_t n) {
  auto const all = run(memory.load_streams());
  for (auto const& state : *all)
    if (state.stream == id(n)) return state;
  ADD_FAILURE() << "no state is stored for stream " << n;
  return {};
}

std::vector<store::Undelivered> DispatcherTest::undelivered(std::uint64_t n) {
  return run(memory.undelivered(id(n), "", {1000, SIZE_MAX}, store::Payloads::with))->items;
}

store::LedgerMinute DispatcherTest::ledger(std::uint64_t n) {
  store::LedgerMinute sum;
  for (auto const& one : *run(memory.ledger(id(n), 0, 1'000'000'000))) {
    sum.delivered += one.delivered;
    sum.attempts_failed += one.attempts_failed;
    sum.undelivered_timeout += one.undelivered_timeout;
    sum.undelivered_other += one.undelivered_other;
  }
  return sum;
}

}  // namespace millrace::delivery
