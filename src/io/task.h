// Coroutines: what a function that waits returns, how it waits, and who owns it while it runs.
//   Threads  A Task runs on the loop (asio::io_context with one thread) that started it. Nothing here is shared between loops
//            but what says so: Resolver may be called from any thread.
//   Cancel   TaskScope::cancel() makes every wait of its Tasks end; the Task then unwinds. Only destructors see it.
#pragma once
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>

#include "base/error.h"

namespace millrace::io {

namespace asio = boost::asio;

// A loop's own executor rather than any: what waits need not find out each time where it belongs.
using Executor = asio::io_context::executor_type;
template <class T>
using Task = asio::awaitable<T, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

// The completion token of every wait: `auto const [error, n] = co_await socket.async_read_some(buffer, io::op);`
inline constexpr auto op = asio::as_tuple(asio::deferred);
// The same where an error is a bug, or there is none.
inline constexpr asio::use_awaitable_t<Executor> as_task;

// What leaves a cancelled Task. Never caught, but by TaskScope.
struct Unwound {};
[[noreturn]] inline void unwind() { throw Unwound{}; }

// Owns the Tasks that it started: they end before it does, or on cancel(). One loop's; not thread-safe.
class TaskScope {
 public:
  explicit TaskScope(Executor executor);
  TaskScope(TaskScope const&) = delete;
  TaskScope& operator=(TaskScope const&) = delete;
  ~TaskScope();  // every Task must have ended: join() first

  void start(
      Task<void>
          task);  // runs at the loop's next turn; an exception other than Unwound ends the process
  void cancel();  // ends the waits of all that run; later starts are not affected
  Task<void> join();  // until none runs; a join that is cancelled leaves them running
  std::size_t running() const;
  Executor const& executor() const { return executor_; }

 private:
  struct State;
  Executor executor_;
  std::shared_ptr<State> state_;  // shared with what is posted to the loop
};

// A loop's own condition: notify() wakes all that wait. No memory: check the condition first, wait in a loop.
class Signal {
 public:
  explicit Signal(Executor executor);
  Task<void> wait();  // unwinds when cancelled
  void notify();      // on the loop's thread

 private:
  Timer timer_;
};

// Answers a wait from any thread, once. Dropped without an answer it ends the process: somebody would wait for ever.
template <class T>
class Resolver {
 public:
  using Handler = asio::any_completion_handler<void(T)>;
  explicit Resolver(Handler handler, Executor executor)
      : handler_(std::move(handler)),
        executor_(asio::prefer(std::move(executor), asio::execution::outstanding_work.tracked)) {}
  Resolver(Resolver&&) noexcept = default;
  Resolver& operator=(Resolver&&) noexcept = default;

  void operator()(T value) {
    check(static_cast<bool>(handler_), "a wait is answered once");
    asio::post(executor_, [handler = std::move(handler_), value = std::move(value)]() mutable {
      std::move(handler)(std::move(value));
    });
    handler_ = nullptr;
  }

 private:
  Handler handler_;
  asio::any_io_executor executor_;
};

// Waits for another thread: `begin(Resolver<T>)` hands the work over and returns at once. Not cancellable: the answer always comes.
// T must be default-constructible or movable; it is moved.
template <class T, class Begin>
Task<T> answer(Begin begin) {
  auto executor = co_await asio::this_coro::executor;
  co_return co_await asio::async_initiate<asio::deferred_t const, void(T)>(
      [](auto handler, Begin run, Executor where) {
        run(Resolver<T>(asio::any_completion_handler<void(T)>(std::move(handler)),
                        std::move(where)));
      },
      asio::deferred, std::move(begin), std::move(executor));
}

}  // namespace millrace::io
