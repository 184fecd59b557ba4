#include "server/dispatcher_lanes.h"

#include <gmock/gmock.h>

#include "testing/sim.h"

namespace millrace::server {
namespace {

using ::testing::ElementsAre;

class NotingDispatcher final : public delivery::Dispatcher {
 public:
  delivery::ChangePermit begin_change() override { return gate.enter(); }
  io::Task<Result<void>> put(model::DataStream stream) override {
    co_return note("put", stream.version);
  }
  io::Task<Result<delivery::Dropped>> remove(StreamId) override {
    if (auto const done = note("remove", 0); !done) co_return pass(done);
    co_return delivery::Dropped{7, 2};
  }
  io::Task<Result<std::uint64_t>> activate(model::DataStream stream,
                                           delivery::ActivateFrom from) override {
    using Kind = delivery::ActivateFrom::Kind;
    auto const text = from.kind == Kind::batch ? "activate from " + std::to_string(from.batch)
                                               : std::string("activate");
    if (auto const done = note(text, stream.version); !done) co_return pass(done);
    co_return 5;
  }
  io::Task<Result<void>> deactivate(model::DataStream stream) override {
    co_return note("deactivate", stream.version);
  }
  io::Task<Result<delivery::StreamStatus>> status(StreamId) override {
    co_return delivery::StreamStatus();
  }
  io::Task<std::vector<delivery::StreamStatusRow>> statuses(std::vector<StreamId>) override {
    co_return std::vector<delivery::StreamStatusRow>();
  }
  io::Task<Result<delivery::Outcome>> test(StreamId, model::Kind, std::string,
                                           std::uint32_t) override {
    co_return delivery::Outcome();
  }
  delivery::DispatcherMeters meters() const override { return {}; }
  Histogram const& delivery_time() const override { return histogram_; }
  Histogram const& end_to_end_time() const override { return histogram_; }
  Counter const& signatures() const override { return counter_; }
  io::Task<void> stop(SteadyTime) override { co_return; }

  std::vector<std::string> calls;
  std::optional<Error> trouble;
  delivery::ChangeGate gate;

 private:
  Result<void> note(std::string what, std::uint64_t version) {
    calls.push_back(version == 0 ? what : what + " v" + std::to_string(version));
    if (auto error = std::exchange(trouble, std::nullopt)) return std::unexpected(*error);
    return {};
  }
  Histogram histogram_;
  Counter counter_;
};

struct DispatcherLanesTest : ::testing::Test {
  testing::Sim sim;
  NotingDispatcher dispatcher;
  DispatcherLanes lanes{dispatcher, {}};

  static model::DesiredStream record(std::uint64_t version) {
    model::DesiredStream desired;
    desired.stream.id = {{1, 1}};
    desired.stream.version = version;
    return desired;
  }
  Result<model::AppliedStream> apply(model::DesiredStream desired) {
    return sim.run(lanes.apply(std::make_shared<model::DesiredStream const>(std::move(desired))));
  }
};

TEST_F(DispatcherLanesTest, each_newer_record_becomes_the_call_that_brings_its_lane_there) {
  auto edited = record(2);
  auto stopped = record(3);
  stopped.stream.state = model::StreamState::deactivated;
  auto edited_again = stopped;
  edited_again.stream.version = 4;
  auto started = record(5);
  started.resume = {1, 9};
  auto stopped_again = stopped;
  stopped_again.stream.version = 6;
  stopped_again.resume = {1, 9};
  auto resumed = record(7);
  resumed.resume = {2, std::nullopt};
  auto gone = record(8);
  gone.gone = true;

  for (auto const& each : {record(1), edited, stopped, edited_again}) ASSERT_TRUE(apply(each));
  EXPECT_EQ(apply(started)->skipped, 5U);
  for (auto const& each : {stopped_again, resumed}) ASSERT_TRUE(apply(each));
  auto const dropped = apply(gone);

  EXPECT_EQ(dropped->dropped, 7U);
  EXPECT_EQ(dropped->dropped_undelivered, 2U);
  EXPECT_THAT(dispatcher.calls,
              ElementsAre("put v1", "put v2", "deactivate v3", "put v4", "activate from 9 v5",
                          "deactivate v6", "activate v7", "remove"));
}

TEST_F(DispatcherLanesTest, a_record_that_is_at_work_or_older_is_told_to_nobody) {
  ASSERT_TRUE(apply(record(2)));
  auto const again = apply(record(2));
  auto const older = apply(record(1));

  EXPECT_EQ(again->version, 2U);
  EXPECT_EQ(older->version, 2U);
  EXPECT_THAT(dispatcher.calls, ElementsAre("put v2"));
}

TEST_F(DispatcherLanesTest, what_the_dispatcher_was_opened_with_is_at_work) {
  auto started = record(4);
  started.resume.epoch = 3;
  DispatcherLanes opened(dispatcher,
                         {std::make_shared<model::DesiredStream const>(std::move(started))});
  auto edited = record(5);
  edited.resume.epoch = 3;

  ASSERT_TRUE(sim.run(opened.apply(std::make_shared<model::DesiredStream const>(edited))));

  EXPECT_THAT(dispatcher.calls, ElementsAre("put v5"));
}

TEST_F(DispatcherLanesTest, what_was_refused_is_told_again_with_the_next_record) {
  ASSERT_TRUE(apply(record(1)));
  auto started = record(2);
  started.resume = {1, 9};
  dispatcher.trouble = Error{Fault::busy, "full"};
  EXPECT_FALSE(apply(started));
  started.stream.version = 3;

  ASSERT_TRUE(apply(started));

  EXPECT_THAT(dispatcher.calls, ElementsAre("put v1", "activate from 9 v2", "activate from 9 v3"));
}

TEST_F(DispatcherLanesTest, a_lane_whose_progress_is_not_stored_works_by_the_change_all_the_same) {
  ASSERT_TRUE(apply(record(1)));
  auto started = record(2);
  started.resume = {1, 9};
  dispatcher.trouble = Error{Fault::uncertain, "disk"};
  EXPECT_EQ(apply(started).error().fault, Fault::uncertain);
  started.stream.version = 3;

  ASSERT_TRUE(apply(started));

  EXPECT_EQ(dispatcher.calls.back(), "put v3");
}

TEST_F(DispatcherLanesTest, no_change_begins_once_the_dispatcher_stops) {
  auto permit = lanes.begin_change();
  EXPECT_NE(permit, nullptr);
  auto const closing = sim.start(dispatcher.gate.close());
  sim.settle();
  EXPECT_FALSE(closing.done());
  permit = nullptr;
  sim.settle();

  EXPECT_TRUE(closing.done());
  EXPECT_EQ(lanes.begin_change(), nullptr);
}

}  // namespace
}  // namespace millrace::server
