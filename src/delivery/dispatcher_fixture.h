// What the dispatcher's tests stand on: a simulated day, a store in memory, endpoints that answer by script.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "delivery/dispatcher.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::delivery {

using namespace std::chrono_literals;

inline Outcome answered(std::uint16_t status, std::optional<Duration> retry_after = std::nullopt) {
  Outcome outcome;
  outcome.status = status;
  outcome.delivered = status >= 200 && status < 300;
  outcome.failure = outcome.delivered ? model::FailureClass::none : model::FailureClass::http;
  if (!outcome.delivered) outcome.reason = "status " + std::to_string(status);
  outcome.retry_after = retry_after;
  return outcome;
}
inline Outcome troubled(model::FailureClass failure) {
  Outcome outcome;
  outcome.failure = failure;
  outcome.reason = "no answer";
  return outcome;
}

// A receiver: what it answers, how long it takes, and what it got.
struct Endpoint {
  struct Got {
    EventId event;
    int attempt;
    Duration at;  // since the test began
    std::string body, content_type, type;
  };
  std::function<Outcome(Entry const&)> answer = [](Entry const&) { return answered(204); };
  Duration takes{};
  std::size_t entries = 1;
  std::vector<Got> got;
  std::vector<std::size_t> batches;
  std::size_t under_way = 0, most_under_way = 0;

  std::vector<Duration> times() const {
    std::vector<Duration> all;
    for (auto const& one : got) all.push_back(one.at);
    return all;
  }
  std::map<EventId, int> tries() const {
    std::map<EventId, int> all;
    for (auto const& one : got) ++all[one.event];
    return all;
  }
};

class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(std::shared_ptr<Endpoint> endpoint, io::Clock& clock, SteadyTime began)
      : endpoint_(std::move(endpoint)), clock_(clock), began_(began) {}
  BatchLimits limits() const override { return {.entries = endpoint_->entries}; }
  io::Task<std::vector<Outcome>> send(std::vector<Entry> batch) override {
    auto& e = *endpoint_;
    auto const at = clock_.wall();
    auto const start = clock_.now();
    e.batches.push_back(batch.size());
    for (auto const& entry : batch)
      e.got.push_back({entry.event, entry.attempt, start - began_, entry.rendered->body,
                       entry.rendered->content_type, entry.event_type});
    e.most_under_way = std::max(e.most_under_way, ++e.under_way);
    struct Leave {
      Endpoint& endpoint;
      ~Leave() { --endpoint.under_way; }
    } const leave{e};
    if (e.takes > Duration::zero()) co_await clock_.sleep_for(e.takes);
    std::vector<Outcome> outcomes;
    for (auto const& entry : batch) {
      outcomes.push_back(e.answer(entry));
      outcomes.back().at = at;
      outcomes.back().took = clock_.now() - start;
    }
    co_return outcomes;
  }

 private:
  std::shared_ptr<Endpoint> endpoint_;
  io::Clock& clock_;
  SteadyTime began_;
};

class ScriptedTransports final : public Transports {
 public:
  explicit ScriptedTransports(io::Clock& clock) : clock_(clock), began_(clock.now()) {}
  std::shared_ptr<Transport> make(model::DataStream const& stream) override {
    ++made;
    return std::make_shared<ScriptedTransport>(at(stream.delivery.url), clock_, began_);
  }
  std::shared_ptr<Endpoint> at(std::string const& url) {
    auto& endpoint = endpoints_[url];
    if (!endpoint) endpoint = std::make_shared<Endpoint>();
    return endpoint;
  }
  // The same answers from now on, but nothing that was sent before is seen.
  void detach() {
    for (auto& [url, endpoint] : endpoints_) endpoint = std::make_shared<Endpoint>(*endpoint);
  }
  int made = 0;

 private:
  io::Clock& clock_;
  SteadyTime began_;
  std::map<std::string, std::shared_ptr<Endpoint>> endpoints_;
};

// Passes everything on to another store until it is cut: from then on nothing is stored, though it answers as if. That is how a
// crash looks to what comes after it.
class CutStore final : public store::Store {
 public:
  explicit CutStore(store::Store& to)
      : to_(to), events_(*this), progress_(*this), attempts_(*this) {}
  bool cut = false;

  store::EventLog& events() override { return events_; }
  store::Progress& progress() override { return progress_; }
  store::Records& records() override { return to_.records(); }
  store::DeadLetters& dead_letters() override { return to_.dead_letters(); }
  store::Attempts& attempts() override { return attempts_; }
  store::Leases& leases() override { return to_.leases(); }
  io::TrustedTime& time() override { return to_.time(); }
  io::Task<Result<store::LogRange>> retain(WallTime now) override { return to_.retain(now); }
  io::Task<Result<void>> close() override { return to_.close(); }

  int reads = 0, checkpoints = 0;
  std::size_t rows = 0;  // that checkpoints wrote
  std::vector<std::uint64_t> summarised;
  std::size_t most_settled_above = 0;

 private:
  class Events final : public store::EventLog {
   public:
    explicit Events(CutStore& of) : of_(of), to_(of.to_.events()) {}
    io::Task<Result<store::Appended>> append(model::EventBlock events,
                                             std::optional<store::RepeatKey> repeat) override {
      return to_.append(std::move(events), std::move(repeat));
    }
    io::Task<Result<std::vector<store::SharedBatch>>> read(std::uint64_t first,
                                                           store::ReadLimits limits) override {
      ++of_.reads;
      return to_.read(first, limits);
    }
    io::Task<Result<std::vector<store::BatchSummary>>> summaries(std::uint64_t first,
                                                                 std::size_t limit) override {
      of_.summarised.push_back(first);
      return to_.summaries(first, limit);
    }
    io::Task<Result<std::uint64_t>> batch_at(WallTime time) override { return to_.batch_at(time); }
    io::Task<Result<std::pair<store::SharedBatch, std::uint32_t>>> find(EventId event) override {
      return to_.find(event);
    }
    store::LogRange range() const override { return to_.range(); }
    std::string refuses() override { return to_.refuses(); }
    std::shared_ptr<void> follow(io::Executor loop,
                                 std::function<void(store::SharedBatch)> batch) override {
      return to_.follow(std::move(loop), std::move(batch));
    }
    io::Task<Result<std::vector<store::BatchSummary>>> doomed(WallTime now) override {
      return to_.doomed(now);
    }
    io::Task<Result<store::LogRange>> retain(WallTime now) override { return to_.retain(now); }

   private:
    CutStore& of_;
    store::EventLog& to_;
  };

  class Progress final : public store::Progress {
   public:
    explicit Progress(CutStore& of) : of_(of), to_(of.to_.progress()) {}
    io::Task<Result<std::vector<store::StreamState>>> load(store::ShardId shard) override {
      return to_.load(shard);
    }
    io::Task<Result<std::uint64_t>> keep(std::vector<StreamId> known) override {
      return to_.keep(std::move(known));
    }
    io::Task<Result<std::vector<store::Saved>>> save(
        store::ShardId shard, std::uint64_t epoch,
        std::vector<store::StreamDelta> deltas) override {
      if (of_.cut) return nothing(deltas.size());
      ++of_.checkpoints;
      for (auto const& delta : deltas) {
        of_.rows += 1 + delta.retries.size() + delta.retries_ended.size() +
                    delta.undelivered.size() + delta.ledger.size();
        of_.most_settled_above =
            std::max(of_.most_settled_above, delta.progress.settled_above.size());
      }
      return to_.save(shard, epoch, std::move(deltas));
    }
    io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) override {
      return to_.undelivered_count(stream);
    }
    io::Task<Result<store::Page<store::Undelivered>>> undelivered(
        StreamId stream, std::string after, store::PageLimits limits,
        store::Payloads payloads) override {
      return to_.undelivered(stream, std::move(after), limits, payloads);
    }
    io::Task<Result<std::vector<store::LedgerMinute>>> ledger(StreamId stream, std::int64_t from,
                                                              std::int64_t to) override {
      return to_.ledger(stream, from, to);
    }

   private:
    static io::Task<Result<std::vector<store::Saved>>> nothing(std::size_t deltas) {
      co_return std::vector(deltas, store::Saved::stored);
    }
    CutStore& of_;
    store::Progress& to_;
  };

  class Attempts final : public store::Attempts {
   public:
    explicit Attempts(CutStore& of) : of_(of), to_(of.to_.attempts()) {}
    void add(model::Attempt attempt) override {
      if (!of_.cut) to_.add(std::move(attempt));
    }
    io::Task<Result<store::Page<model::Attempt>>> find(store::AttemptQuery query) override {
      return to_.find(std::move(query));
    }

   private:
    CutStore& of_;
    store::Attempts& to_;
  };

  store::Store& to_;
  Events events_;
  Progress progress_;
  Attempts attempts_;
};

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest();
  ~DispatcherTest() override;

  static StreamId id(std::uint64_t n) { return {{n * 7919, n}}; }
  model::DataStream stream(std::uint64_t n, std::vector<std::string> types = {"*"});
  std::shared_ptr<Endpoint> endpoint(std::uint64_t n) { return transports->at(url(n)); }
  static std::string url(std::uint64_t n) {
    return "https://receiver-" + std::to_string(n) + ".example";
  }

  void open(std::vector<model::DataStream> streams);  // of records of a former version
  void open_desired(std::vector<model::DesiredStream> streams);
  void stop(Duration within = 15s);
  void crash();  // what was checkpointed stays; the dispatcher goes on to nowhere
  // Appends `count` events of one type in one batch; answers their ids.
  std::vector<EventId> append(std::size_t count, std::string type = "grade_change",
                              std::string account = "root-1", std::size_t bytes = 0);
  template <class T>
  T run(io::Task<T> task) {  // a second may pass
    auto const started = sim.start(std::move(task));
    sim.settle();
    for (int i = 0; i < 100 && !started.done(); ++i) sim.advance(10ms);
    return std::move(started.value());
  }
  StreamStatus status(std::uint64_t n) {
    auto status = run(dispatcher->status(id(n)));
    EXPECT_TRUE(status);
    return *status;
  }
  store::StreamState stored(std::uint64_t n);
  std::vector<store::Undelivered> undelivered(std::uint64_t n);
  store::LedgerMinute ledger(std::uint64_t n);  // of all time

  testing::Sim sim;
  testing::MemoryStore memory;
  std::unique_ptr<CutStore> store;
  io::Shared<crypto::KeyRing> keys;
  std::shared_ptr<ScriptedTransports> transports;
  DispatcherSettings settings;
  CaliperForm caliper;
  std::unique_ptr<Dispatcher> dispatcher;
  std::size_t expected_errors = 0;  // lines of the log

 private:
  std::vector<std::pair<std::unique_ptr<Dispatcher>, std::unique_ptr<CutStore>>> crashed_;
};

// Made once for all tests: a key takes a tenth of a second.
crypto::RingKey test_key(int number, WallTime active_from);

}  // namespace millrace::delivery
