#include "server/health.h"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>

#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::server {
namespace {

using ::testing::HasSubstr;

TEST(HealthTest, is_well_while_every_loop_answers_and_names_the_one_that_does_not) {
  ::millrace::testing::Sim sim;
  ::millrace::testing::MemoryStore store(sim.clock());
  boost::asio::io_context stuck(1);  // nobody runs it
  Health health(store, sim.clock(), {sim.executor(), stuck.get_executor()});
  auto const loops = sim.start(health.watch_loops());
  auto const disk = sim.start(health.watch_store());

  sim.advance(std::chrono::seconds(4));
  EXPECT_EQ(health.trouble(), "");
  sim.advance(std::chrono::seconds(4));
  EXPECT_THAT(health.trouble(), HasSubstr("loop 1 has not answered"));
  stuck.poll();
  EXPECT_EQ(health.trouble(), "");
}

TEST(HealthTest, is_not_well_when_nobody_asks_any_more) {
  ::millrace::testing::Sim sim;
  ::millrace::testing::MemoryStore store(sim.clock());
  Health health(store, sim.clock(), {});

  sim.advance(std::chrono::seconds(10));

  EXPECT_THAT(health.trouble(), HasSubstr("own loop has not answered"));
}

}  // namespace
}  // namespace millrace::server
