#include "io/task.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <thread>

#include "io/clock.h"
#include "io/worker.h"

namespace millrace::io {
namespace {

using namespace std::chrono_literals;

struct Counts {
  int begun = 0, ended = 0, unwound = 0;
};

// Tells when a Task is destroyed, whichever way it ends.
struct Guard {
  int& count;
  ~Guard() { ++count; }
};

Task<void> waits(Signal& signal, Counts& counts) {
  Guard const guard{counts.unwound};
  ++counts.begun;
  co_await signal.wait();
  ++counts.ended;
}

Task<void> joins(TaskScope& scope, bool& joined) {
  co_await scope.join();
  joined = true;
}

Task<void> calls(std::move_only_function<void()> what) {
  what();
  co_return;
}

struct TaskTest : testing::Test {
  asio::io_context loop;
  TaskScope outer{loop.get_executor()};
  Counts counts;
};

TEST_F(TaskTest, a_scope_joins_what_ended_by_itself) {
  TaskScope scope(loop.get_executor());
  Signal signal(loop.get_executor());
  bool joined = false;
  for (int i = 0; i < 3; ++i) scope.start(waits(signal, counts));
  outer.start(joins(scope, joined));

  loop.poll();
  EXPECT_EQ(counts.begun, 3);
  EXPECT_EQ(scope.running(), 3U);
  EXPECT_FALSE(joined);
  signal.notify();
  loop.run();

  EXPECT_EQ(counts.ended, 3);
  EXPECT_TRUE(joined);
  EXPECT_EQ(scope.running(), 0U);
}

TEST_F(TaskTest, cancel_unwinds_every_wait_and_only_destructors_see_it) {
  TaskScope scope(loop.get_executor());
  Signal signal(loop.get_executor());
  bool joined = false;
  for (int i = 0; i < 3; ++i) scope.start(waits(signal, counts));
  outer.start(joins(scope, joined));
  loop.poll();

  scope.cancel();
  loop.run();

  EXPECT_EQ(counts.unwound, 3);
  EXPECT_EQ(counts.ended, 0);
  EXPECT_TRUE(joined);
}

TEST_F(TaskTest, cancel_ends_a_sleep_at_once) {
  TaskScope scope(loop.get_executor());
  SystemClock clock;
  scope.start(clock.sleep_for(std::chrono::hours(24)));
  loop.poll();

  scope.cancel();

  EXPECT_GT(loop.run_for(10s), 0U);
  EXPECT_EQ(scope.running(), 0U);
}

TEST_F(TaskTest, a_start_after_cancel_runs) {
  TaskScope scope(loop.get_executor());
  Signal signal(loop.get_executor());
  scope.start(waits(signal, counts));
  loop.poll();
  scope.cancel();
  scope.start(waits(signal, counts));
  loop.poll();

  EXPECT_EQ(scope.running(), 1U);
  signal.notify();
  loop.run();
  EXPECT_EQ(counts.ended, 1);
}

TEST_F(TaskTest, a_cancelled_join_leaves_the_tasks_running) {
  TaskScope scope(loop.get_executor());
  Signal signal(loop.get_executor());
  bool joined = false;
  scope.start(waits(signal, counts));
  outer.start(joins(scope, joined));
  loop.poll();

  outer.cancel();
  loop.poll();
  EXPECT_FALSE(joined);
  EXPECT_EQ(scope.running(), 1U);

  signal.notify();
  loop.run();
  EXPECT_EQ(counts.ended, 1);
}

TEST_F(TaskTest, a_signal_wakes_all_that_wait_and_has_no_memory) {
  Signal signal(loop.get_executor());
  signal.notify();
  outer.start(waits(signal, counts));
  loop.poll();
  EXPECT_EQ(counts.ended, 0);

  signal.notify();
  outer.start(waits(signal, counts));  // comes too late for the notify
  loop.poll();
  EXPECT_EQ(counts.ended, 1);

  signal.notify();
  loop.run();
  EXPECT_EQ(counts.ended, 2);
}

TEST_F(TaskTest, a_task_that_has_an_owner_outlives_its_scope_and_keeps_the_owner) {
  Signal signal(loop.get_executor());
  auto owner = std::make_shared<int>(1);
  std::weak_ptr<int> const watched = owner;
  auto scope = std::make_unique<TaskScope>(loop.get_executor());
  scope->start(std::move(owner), waits(signal, counts));
  loop.poll();

  scope.reset();
  EXPECT_FALSE(watched.expired());
  signal.notify();
  loop.run();

  EXPECT_EQ(counts.ended, 1);
  EXPECT_TRUE(watched.expired());
}

Task<void> asks_another_thread(std::vector<std::thread::id>& where, std::unique_ptr<int>& got) {
  std::thread other;
  got = co_await answer<std::unique_ptr<int>>([&](Resolver<std::unique_ptr<int>> done) {
    other = std::thread([&where, done = std::move(done)]() mutable {
      where.push_back(std::this_thread::get_id());
      done(std::make_unique<int>(7));
    });
  });
  where.push_back(std::this_thread::get_id());
  other.join();
}

TEST_F(TaskTest, an_answer_of_another_thread_comes_back_on_the_loop) {
  std::vector<std::thread::id> where;
  std::unique_ptr<int> got;
  outer.start(asks_another_thread(where, got));

  loop.run();  // does not return while the answer is still to come

  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 7);
  ASSERT_EQ(where.size(), 2U);
  EXPECT_NE(where[0], where[1]);
  EXPECT_EQ(where[1], std::this_thread::get_id());
}

Task<void> computes(Worker& worker, std::vector<int>& results) {
  for (int i = 0; i < 3; ++i) results.push_back(co_await offload(worker, [i] { return i * i; }));
  auto const failed =
      co_await offload(worker, []() -> Result<void> { return fail(Fault::io, "no disk"); });
  if (!failed) results.push_back(-1);
}

TEST_F(TaskTest, offload_runs_the_job_on_the_worker_in_order) {
  std::vector<int> on_thread, in_line;
  auto const thread = thread_worker("test"), inline_one = inline_worker();
  outer.start(computes(*thread, on_thread));
  outer.start(computes(*inline_one, in_line));

  loop.run();

  EXPECT_EQ(on_thread, (std::vector{0, 1, 4, -1}));
  EXPECT_EQ(in_line, on_thread);
}

TEST(Worker, does_all_that_was_posted_before_it_ends) {
  std::vector<int> done;
  {
    auto const worker = thread_worker("test", 5);
    for (int i = 0; i < 100; ++i) worker->post([&done, i] { done.push_back(i); });
  }

  ASSERT_EQ(done.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(done));
}

TEST(TaskScopeDeath, ends_the_process_when_a_task_outlives_it) {
  EXPECT_DEATH(
      {
        asio::io_context loop;
        Counts counts;
        Signal signal(loop.get_executor());
        TaskScope scope(loop.get_executor());
        scope.start(waits(signal, counts));
      },
      "a TaskScope ends after its Tasks");
}

TEST(TaskScopeDeath, ends_the_process_when_a_task_throws) {
  EXPECT_DEATH(
      {
        asio::io_context loop;
        TaskScope scope(loop.get_executor());
        scope.start(calls([] { throw std::runtime_error("a bug"); }));
        loop.run();
      },
      "a bug");
}

}  // namespace
}  // namespace millrace::io
