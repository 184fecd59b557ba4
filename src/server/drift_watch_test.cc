#include "server/drift_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/sim.h"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

class DriftWatchTest : public ::testing::Test {
 protected:
  // A batch of so many events with a field that nobody knows.
  store::RecordBatch batch(std::size_t events, std::string_view type = "course_created") {
    store::RecordBatch made;
    made.accepted_at = sim.clock().wall();
    made.first_id = Uuid::v7(made.accepted_at, 1, 2);
    for (std::size_t i = 0; i < events; ++i)
      made.events.add("root-1", type, R"({"event_name":"x"})", R"({"surprise":1})");
    return made;
  }

  testing::Sim sim;
  model::Catalog const catalog = model::Catalog::load();
  DriftWatch watch{catalog, sim.clock()};
};

TEST_F(DriftWatchTest, counts_every_event_that_is_unknown) {
  watch.accepted(batch(70, "quizzes.item_created"));
  watch.accepted(batch(5, "quizzes.item_created"));

  auto const entries = watch.now().entries();
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].count, 75);
  EXPECT_EQ(entries[0].example, batch(1).id_of(0));
}

TEST_F(DriftWatchTest, looks_at_the_fields_of_so_many_events_a_second) {
  for (int i = 0; i < 100; ++i) watch.accepted(batch(100));
  EXPECT_EQ(watch.now().looked_at(), DriftWatch::looks_a_second);

  sim.advance(1s);
  watch.accepted(batch(10));

  EXPECT_EQ(watch.now().looked_at(), DriftWatch::looks_a_second + 10);
  EXPECT_EQ(watch.now().entries().at(0).field, "body.surprise");
}

TEST_F(DriftWatchTest, looks_at_some_of_a_large_batch) {
  watch.accepted(batch(10'000));

  EXPECT_EQ(watch.now().looked_at(), DriftWatch::looks_a_batch);
}

}  // namespace
}  // namespace millrace::server
