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
#include <boost/asio/require.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <type_traits>
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

// Owns the Tasks that it started: they end before it does, or on cancel(). One loop's; cancel() may be called from any thread.
class TaskScope {
 public:
  explicit TaskScope(Executor executor);
  TaskScope(TaskScope const&) = delete;
  TaskScope& operator=(TaskScope const&) = delete;
  ~TaskScope();  // every Task without an owner must have ended: join() first

  // Runs at the loop's next turn; an exception other than Unwound ends the process.
  void start(Task<void> task) { start(nullptr, std::move(task)); }
  // The same for an object that may go while its Tasks run: `owner` lives until the Task has ended, and the scope need not.
  void start(std::shared_ptr<void> owner, Task<void> task);
  void cancel();      // ends the waits of all that run; later starts are not affected
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

// Ends one wait, from any thread, once.
class Wake {
 public:
  using Handler = asio::any_completion_handler<void()>;
  Wake(Handler handler, Executor const& executor);
  void operator()();

 private:
  using Working = std::decay_t<decltype(asio::require(std::declval<Executor const&>(),
                                                      asio::execution::outstanding_work.tracked))>;
  Handler handler_;
  Working executor_;  // its loop runs on while somebody waits
};

// Calls `begin` and waits until its Wake is called. Not cancellable once it has begun.
Task<void> woken(std::move_only_function<void(Wake)> begin);

// Answers a wait from any thread, once. Dropped without an answer it leaves somebody waiting for ever.
template <class T>
class Resolver {
 public:
  // `into` is where the waiting Task looks; it lives as long as its Wake.
  Resolver(std::optional<T>& into, Wake wake) : into_(&into), wake_(std::move(wake)) {}

  void operator()(T value) {
    into_->emplace(std::move(value));
    wake_();
  }

 private:
  std::optional<T>* into_;
  Wake wake_;
};

// Waits for another thread: `begin(Resolver<T>)` hands the work over and returns at once. Not cancellable: the answer always comes.
// T is moved. What knows T is little, and what waits is compiled once (task.cc): this is instantiated everywhere.
template <class T, class Begin>
Task<T> answer(Begin begin) {
  std::optional<T> value;
  co_await woken([&](Wake wake) { begin(Resolver<T>(value, std::move(wake))); });
  co_return std::move(*value);
}

}  // namespace millrace::io
