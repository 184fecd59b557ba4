#include "http_client/pool.h"

#include <gtest/gtest.h>

#include "testing/sim.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;

class Closed final : public io::ByteStream {
 public:
  explicit Closed(std::vector<int>& closed, int number) : closed_(closed), number_(number) {}
  io::Moved try_read(std::span<std::byte>) override { return {io::Moved::State::again}; }
  io::Moved try_write(std::span<std::byte const>) override { return {io::Moved::State::again}; }
  io::Task<Result<void>> readable() override { co_return Result<void>(); }
  io::Task<Result<void>> writable() override { co_return Result<void>(); }
  void close() override { closed_.push_back(number_); }
  int descriptor() const override { return -1; }
  io::Endpoint peer() const override { return {}; }

 private:
  std::vector<int>& closed_;
  int number_;
};

class PoolTest : public ::testing::Test {
 protected:
  std::shared_ptr<Origin> origin(int number) {
    return pool.origin_of(parse_url("http://host-" + std::to_string(number) + ".example/").value(),
                          nullptr);
  }
  void open(int number) {
    auto const where = origin(number);
    ASSERT_TRUE(pool.take_room(*where));
    auto connection = std::make_shared<PooledConnection>();
    connection->stream = std::make_unique<Closed>(closed, number);
    pool.give_back(where, std::move(connection), now += 1ms);
  }

  std::vector<int> closed;
  Pool pool;
  SteadyTime now{};
  std::array<std::byte, 64> scratch;
};

TEST_F(PoolTest, finds_the_connection_to_close_without_a_walk_over_all_origins) {
  constexpr int origins = 10'000, connections = 100;
  pool.limits.connections = connections;

  for (int i = 0; i < origins; ++i) open(i);

  EXPECT_EQ(pool.open, connections);
  ASSERT_EQ(closed.size(), origins - connections);
  for (int i = 0; i < origins - connections; ++i) EXPECT_EQ(closed[static_cast<std::size_t>(i)], i);
  EXPECT_LE(pool.looked_at(), 2U * origins);
}

TEST_F(PoolTest, what_is_taken_out_of_the_middle_leaves_the_others_in_order) {
  pool.limits.connections = 4;
  for (int i = 0; i < 4; ++i) open(i);
  auto const where = origin(1);
  auto connection = pool.take_idle(*where, now, scratch);
  ASSERT_NE(connection, nullptr);
  open(4);  // at the cost of 0
  pool.give_back(where, std::move(connection), now += 1ms);

  for (int i = 5; i < 8; ++i) open(i);

  EXPECT_EQ(closed, (std::vector{0, 2, 3, 4}));
  EXPECT_NE(pool.take_idle(*where, now, scratch), nullptr);
}

TEST_F(PoolTest, one_that_goes_back_to_its_place_rests_since_before) {
  pool.limits.connections = 3;
  for (int i = 0; i < 3; ++i) open(i);
  auto const where = origin(0);
  auto connection = pool.take_idle(*where, now, scratch);
  auto const since = connection->idle_since;
  pool.give_back(where, std::move(connection), since);

  open(3);

  EXPECT_EQ(closed, (std::vector{0}));
}

}  // namespace
}  // namespace millrace::http::client
