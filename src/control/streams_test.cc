#include "control/streams.h"

#include <gmock/gmock.h>

#include "control/control_fixture.h"
#include "control/lanes_fixture.h"

namespace millrace::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct StreamsTest : ::testing::Test {
  World world;
  FakeLanes lanes{world.sim.clock()};
  std::optional<Streams> streams;

  StreamsTest() { begin(); }
  ~StreamsTest() override { world.sim.run(streams->join()); }

  void begin() {
    streams.emplace(StreamsParts{.loop = world.sim.executor(),
                                 .store = world.store,
                                 .registry = *world.registry,
                                 .lanes = lanes,
                                 .clock = world.sim.clock(),
                                 .random = world.sim.random(),
                                 .log = world.sim.log()});
  }
  void restart() {
    world.sim.run(streams->join());
    streams.reset();
    world.restart();
    begin();
  }
  void append(int events) {
    for (int i = 0; i < events; ++i) {
      model::EventBlock block;
      block.add(ours, "grade_change", "{}", "{}");
      ASSERT_TRUE(world.sim.run(world.store.append(std::move(block), std::nullopt)));
    }
  }
  model::DataStream input(std::string_view name = "Ally") {
    return *model::parse_new(stream_body(ours, name), {});
  }
  StreamPtr add(std::string_view name = "Ally") {
    auto const made =
        world.sim.run(streams->add(input(name), world.root, "data_streams.create", {}));
    EXPECT_TRUE(made) << made.error().what;
    return made->stream;
  }
  StreamPtr now(StreamPtr const& stream) { return world.registry->stream(stream->id); }
  model::DesiredStream desired(StreamPtr const& stream) {
    return *world.registry->desired(stream->id);
  }
  Result<Changed> select(StreamPtr const& stream, std::vector<std::string> types) {
    auto next = *now(stream);
    next.event_types = std::move(types);
    return world.sim.run(streams->change(std::move(next), world.root));
  }
  Result<Changed> rename(StreamPtr const& stream, std::string name) {
    auto next = *now(stream);
    next.name = std::move(name);
    return world.sim.run(streams->change(std::move(next), world.root));
  }
  Result<Changed> deactivate(StreamPtr const& stream) {
    return world.sim.run(streams->deactivate(now(stream), model::StateReason::by_user, world.root));
  }
  Result<Changed> activate(StreamPtr const& stream, ResumeFrom from) {
    return world.sim.run(streams->activate(now(stream), from, world.root));
  }
  std::vector<std::uint64_t> batches(StreamPtr const& stream) {
    std::vector<std::uint64_t> out;
    for (auto const& filter : desired(stream).filters) out.push_back(filter.from_batch);
    return out;
  }
  std::vector<std::string> audit() {
    std::vector<std::string> out;
    auto const records = *world.sim.run(world.store.records("audit"));
    for (auto const& record : records) out.push_back(record.value);
    return out;
  }
};

TEST_F(StreamsTest, a_new_stream_starts_at_the_head_of_the_log) {
  append(3);

  auto const stream = add();

  auto const wanted = desired(stream);
  EXPECT_EQ(wanted.start, 4U);
  ASSERT_THAT(wanted.filters, SizeIs(1));
  EXPECT_EQ(wanted.filters[0], (model::FilterVersion{1, 4, stream->event_types, ours}));
  EXPECT_THAT(lanes.told, ElementsAre("Ally v1 active"));
  EXPECT_EQ(lanes.permits, 0);
}

TEST_F(StreamsTest, what_is_selected_anew_holds_from_the_head_of_the_log) {
  auto const stream = add();
  append(2);
  ASSERT_TRUE(select(stream, {"*"}));
  append(1);
  ASSERT_TRUE(rename(stream, "New"));

  auto const wanted = desired(stream);

  EXPECT_THAT(batches(stream), ElementsAre(1, 3));
  EXPECT_EQ(wanted.filters.back().version, 2U);
  EXPECT_THAT(wanted.filters.back().event_types, ElementsAre("*"));
  EXPECT_EQ(wanted.start, 1U);
}

TEST_F(StreamsTest, edits_without_an_event_in_between_are_one) {
  auto const stream = add();
  ASSERT_TRUE(select(stream, {"*"}));
  append(1);
  ASSERT_TRUE(select(stream, {"a"}));
  ASSERT_TRUE(select(stream, {"b"}));

  EXPECT_THAT(batches(stream), ElementsAre(2));
  EXPECT_EQ(desired(stream).filters.back().version, 4U);
  EXPECT_THAT(desired(stream).filters.back().event_types, ElementsAre("b"));
}

TEST_F(StreamsTest, selections_go_when_their_lane_has_applied_them) {
  auto const stream = add();
  for (int i = 0; i < 50; ++i) {
    append(1);
    ASSERT_TRUE(select(stream, {"type-" + std::to_string(i)}));
  }

  EXPECT_THAT(batches(stream), ElementsAre(50, 51));
}

TEST_F(StreamsTest, too_many_selections_that_are_not_applied_are_refused) {
  auto const stream = add();
  Result<Changed> last;
  for (int i = 0; i < 10; ++i) {
    append(1);
    lanes.trouble = Error{Fault::busy, "full"};
    last = select(stream, {"type-" + std::to_string(i)});
  }

  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().fault, Fault::busy);
  EXPECT_THAT(last.error().what, HasSubstr("nothing was changed"));
  EXPECT_THAT(now(stream)->event_types, ElementsAre("type-8"));
  EXPECT_THAT(desired(stream).filters, SizeIs(model::DesiredLimits::filters));
  restart();
  EXPECT_THAT(desired(stream).filters, SizeIs(model::DesiredLimits::filters));
}

TEST_F(StreamsTest, a_record_of_a_former_version_keeps_what_its_progress_knows) {
  auto old = input();
  old.id = StreamId{Uuid::v7(world.sim.clock().wall(), 1, 1)};
  old.version = 0;
  auto const stored = world.sim.run(world.registry->save({.stream = old}, world.root, "test"));
  ASSERT_TRUE(stored);
  StreamPtr const stream(*stored, &(*stored)->stream);
  append(4);

  ASSERT_TRUE(select(stream, {"*"}));

  EXPECT_EQ(desired(stream).start, 0U);
  EXPECT_THAT(batches(stream), ElementsAre(5));
}

TEST_F(StreamsTest, an_activation_says_what_it_passes_over) {
  auto const stream = add();
  append(2);
  world.sim.advance(1h);
  auto const later = world.sim.clock().wall();
  append(3);
  auto const cycle = [&](ResumeFrom from) {
    EXPECT_TRUE(deactivate(stream));
    EXPECT_TRUE(activate(stream, from));
    return desired(stream).resume;
  };

  EXPECT_EQ(cycle({}), (model::Resume{1, std::nullopt}));
  EXPECT_EQ(cycle({ResumeFrom::Kind::now, {}}), (model::Resume{2, 6}));
  EXPECT_EQ(cycle({ResumeFrom::Kind::time, later}), (model::Resume{3, 3}));
}

TEST_F(StreamsTest, what_an_activation_passes_over_is_not_sent_by_the_next_one_either) {
  auto const stream = add();
  append(2);
  ASSERT_TRUE(deactivate(stream));
  lanes.trouble = Error{Fault::busy, "full"};
  ASSERT_TRUE(activate(stream, {ResumeFrom::Kind::now, {}}));
  lanes.trouble = Error{Fault::busy, "full"};
  ASSERT_TRUE(deactivate(stream));

  ASSERT_TRUE(activate(stream, {}));

  EXPECT_EQ(desired(stream).resume, (model::Resume{2, 3}));
}

TEST_F(StreamsTest, an_answer_waits_five_seconds_and_the_change_goes_on) {
  auto const stream = add();
  ASSERT_TRUE(deactivate(stream));
  lanes.takes = 7s;
  lanes.counts.skipped = 3;

  auto const waiting =
      world.sim.start(streams->activate(now(stream), {ResumeFrom::Kind::now, {}}, world.root));
  world.sim.advance(4999ms);
  EXPECT_FALSE(waiting.done());
  world.sim.advance(1ms);

  ASSERT_TRUE(waiting.done());
  ASSERT_TRUE(waiting.value());
  EXPECT_FALSE(waiting.value()->applied);
  EXPECT_EQ(now(stream)->state, model::StreamState::active);
  EXPECT_EQ(lanes.permits, 1);
  world.sim.advance(2s);
  EXPECT_EQ(lanes.permits, 0);
  EXPECT_THAT(audit().back(), HasSubstr(R"("action":"data_streams.skipped")"));
  EXPECT_THAT(audit().back(), HasSubstr(R"("to":3)"));
}

TEST_F(StreamsTest, a_tombstone_goes_when_nothing_is_left_of_its_stream) {
  auto const stream = add();
  lanes.takes = 6s;

  auto const waiting = world.sim.start(streams->erase(now(stream), world.root));
  world.sim.advance(5s);
  ASSERT_TRUE(waiting.done() && waiting.value());
  EXPECT_FALSE(waiting.value()->applied);
  EXPECT_EQ(now(stream), nullptr);
  EXPECT_TRUE(desired(stream).gone);
  world.sim.advance(1s);

  EXPECT_THAT(world.registry->desired(), IsEmpty());
  EXPECT_THAT(*world.sim.run(world.store.records("streams")), IsEmpty());
  EXPECT_THAT(lanes.told.back(), "Ally v2 gone");
}

TEST_F(StreamsTest, a_deletion_that_was_cut_is_finished_after_any_number_of_restarts) {
  auto const stream = add();
  lanes.trouble = Error{Fault::busy, "full"};
  ASSERT_TRUE(world.sim.run(streams->erase(now(stream), world.root)));
  for (int i = 0; i < 2; ++i) {
    restart();
    lanes.trouble = Error{Fault::busy, "full"};
    world.sim.run(streams->finish_deletions());
    EXPECT_TRUE(desired(stream).gone);
  }

  restart();
  world.sim.run(streams->finish_deletions());

  EXPECT_THAT(world.registry->desired(), IsEmpty());
  auto const told = lanes.told.size();
  world.sim.run(streams->finish_deletions());
  EXPECT_EQ(lanes.told.size(), told);
}

TEST_F(StreamsTest, a_deletion_that_is_under_way_is_not_told_again) {
  auto const stream = add();
  lanes.takes = 10s;
  auto const waiting = world.sim.start(streams->erase(now(stream), world.root));
  world.sim.advance(6s);
  auto const told = lanes.told.size();

  world.sim.run(streams->finish_deletions());

  EXPECT_EQ(lanes.told.size(), told);
  world.sim.advance(10s);
  EXPECT_THAT(world.registry->desired(), IsEmpty());
}

TEST_F(StreamsTest, a_node_that_stops_changes_nothing) {
  auto const stream = add();
  lanes.stopping = true;

  for (auto const& refused :
       {rename(stream, "New"), deactivate(stream),
        world.sim.run(streams->erase(now(stream), world.root)),
        world.sim.run(streams->add(input("B"), world.root, "data_streams.create", {}))}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::busy);
  }
  restart();
  EXPECT_THAT(world.registry->streams(), SizeIs(1));
  EXPECT_EQ(now(stream)->version, 1U);
}

TEST_F(StreamsTest, a_change_of_an_older_version_is_a_conflict_and_tells_nobody) {
  auto const stream = add();
  auto old = *stream;
  ASSERT_TRUE(rename(stream, "first"));
  old.name = "second";

  auto const late = world.sim.run(streams->change(old, world.root));

  EXPECT_EQ(late.error().fault, Fault::conflict);
  EXPECT_EQ(now(stream)->name, "first");
  EXPECT_THAT(lanes.told, SizeIs(2));
}

}  // namespace
}  // namespace millrace::control
