// The dispatcher on real loops with real time: what simulations cannot show.
#include <thread>

#include "delivery/dispatcher_fixture.h"

namespace millrace::delivery {
namespace {

class CountingTransport final : public Transport {
 public:
  explicit CountingTransport(std::atomic<int>& sent) : sent_(sent) {}
  BatchLimits limits() const override { return {}; }
  io::Task<std::vector<Outcome>> send(std::vector<Entry> batch) override {
    co_await io::asio::post(co_await io::asio::this_coro::executor, io::as_task);
    ++sent_;
    std::vector<Outcome> outcomes(batch.size(), answered(200));
    co_return outcomes;
  }

 private:
  std::atomic<int>& sent_;
};

class CountingTransports final : public Transports {
 public:
  explicit CountingTransports(std::atomic<int>& sent) : sent_(sent) {}
  std::shared_ptr<Transport> make(model::DataStream const&) override {
    return std::make_shared<CountingTransport>(sent_);
  }

 private:
  std::atomic<int>& sent_;
};

TEST(LoopsTest, lanes_on_several_loops_deliver_everything_once) {
  constexpr int streams = 16, batches = 200, events = 10;
  io::SystemClock clock;
  io::SystemRandom random;
  auto const log = silent_log();
  testing::MemoryStore store(clock);
  io::Shared<crypto::KeyRing> keys(*crypto::KeyRing::make({test_key(1, WallTime{})}));
  std::atomic<int> sent = 0;
  auto const transports = std::make_shared<CountingTransports>(sent);
  boost::asio::io_context second(1);
  auto const work = boost::asio::make_work_guard(second);
  std::jthread thread([&] { second.run(); });
  testing::Sim sim;  // for its loop only
  std::vector<model::DesiredStream> all;
  for (std::uint64_t n = 1; n <= streams; ++n) {
    model::DesiredStream one;
    one.stream.id = {{n * 7919, n}};
    one.stream.account = "*";
    one.stream.event_types = {"*"};
    all.push_back(one);
  }
  DispatcherSettings settings;
  settings.checkpoint = std::chrono::milliseconds(5);
  auto opened = sim.finish(open_dispatcher({store,
                                            {transports, transports},
                                            {sim.executor(), second.get_executor()},
                                            keys,
                                            clock,
                                            random,
                                            *log},
                                           settings, all));
  ASSERT_TRUE(opened);
  auto& dispatcher = **opened;

  for (int i = 0; i < batches; ++i) {
    model::EventBlock block;
    for (int k = 0; k < events; ++k) block.add("a", "t", "{}", "{}");
    ASSERT_TRUE(sim.finish(store.append(std::move(block), std::nullopt)));
    if (i % 20 == 0)
      ASSERT_TRUE(sim.finish(dispatcher.put(all[static_cast<std::size_t>(i) % streams].stream)));
  }
  sim.run_until([&] { return sent == streams * batches * events; });

  for (auto const& stream : all) {
    sim.run_until([&] { return sim.finish(dispatcher.status(stream.stream.id))->waiting == 0; });
    EXPECT_EQ(sim.finish(dispatcher.status(stream.stream.id))->counters.delivered,
              batches * events);
  }
  sim.finish(dispatcher.stop(clock.now() + 15s));
  EXPECT_EQ(sent, streams * batches * events);
  auto const states = sim.finish(store.load_streams());
  for (auto const& state : *states) {
    EXPECT_EQ(state.progress.counters.delivered, batches * events);
    EXPECT_EQ(state.progress.cursor.batch, store.range().next);
  }
  opened->reset();
  second.stop();
}

}  // namespace
}  // namespace millrace::delivery
