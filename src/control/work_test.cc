// What a change costs does not depend on how many other things there are: allocations are counted, and a copy of any table would make one for
// each of its entries.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "control/control_fixture.h"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* const given = std::malloc(size)) return given;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* given) noexcept { std::free(given); }
void operator delete[](void* given) noexcept { std::free(given); }
void operator delete(void* given, std::size_t) noexcept { std::free(given); }
void operator delete[](void* given, std::size_t) noexcept { std::free(given); }

namespace millrace::control {
namespace {

struct WorkTest : ::testing::Test {
  World world;

  model::DataStream stream(std::string name) {
    auto out = *model::parse_new(stream_body(ours, name), {});
    auto& sim = world.sim;
    out.id = StreamId{Uuid::v7(sim.clock().wall(), sim.random().bits(), sim.random().bits())};
    out.version = 0;
    return out;
  }
  void make(std::size_t streams) {
    for (std::size_t i = 0; i < streams; ++i)
      ASSERT_TRUE(world.sim.run(world.registry->save({.stream = stream("S" + std::to_string(i))},
                                                     world.root, "test.save")));
  }
  // Of one change each: a new stream, an edit, a token, a marked call.
  std::size_t cost() {
    auto fresh = stream("fresh");
    auto const before = allocations.load();
    auto& registry = *world.registry;
    EXPECT_TRUE(world.sim.run(registry.save({.stream = fresh}, world.root, "test.save")));
    fresh.name = "edited";
    fresh.version = 1;
    EXPECT_TRUE(world.sim.run(registry.save({.stream = fresh}, world.root, "test.save")));
    Repeat const repeat{"key" + fresh.id.text(), std::string(32, 'h'), "root"};
    EXPECT_TRUE(
        world.sim.run(registry.add_token("t", model::Role::viewer, {ours}, world.root, repeat)));
    return allocations.load() - before;
  }
};

TEST_F(WorkTest, a_change_copies_nothing_of_other_streams) {
  make(10);
  cost();  // what is made once
  auto const few = cost();

  make(2'000);

  EXPECT_LT(cost(), few + 500);
}

TEST_F(WorkTest, a_read_of_one_stream_costs_the_same_among_many) {
  make(2'000);
  auto const id = world.registry->streams().back()->id;

  auto const before = allocations.load();
  auto const found = world.registry->stream(id);

  EXPECT_EQ(allocations.load(), before);
  EXPECT_EQ(found->id, id);
}

}  // namespace
}  // namespace millrace::control
