#include "io/task.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/system/system_error.hpp>
#include <exception>

namespace millrace::io {
namespace {

// Anything but a cancellation that leaves a Task is a bug of ours.
void end_task(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (Unwound const&) {
  } catch (boost::system::system_error const& e) {
    check(e.code() == asio::error::operation_aborted, e.what());
  } catch (std::exception const& e) {
    check(false, e.what());
  }
}

}  // namespace

struct TaskScope::State {
  explicit State(Executor const& executor) : ended(executor, Timer::time_point::max()) {}
  struct Running {
    std::uint64_t number;
    std::unique_ptr<asio::cancellation_signal> signal;
    bool is_owned;  // it keeps alive what it uses
  };
  std::list<Running> running;
  std::atomic<std::uint64_t> next = 0;  // cancel() looks at it from any thread
  Timer ended;
};

TaskScope::TaskScope(Executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>(executor_)) {}

TaskScope::~TaskScope() {
  check(std::ranges::all_of(state_->running, &State::Running::is_owned),
        "a TaskScope ends after its Tasks");
}

std::size_t TaskScope::running() const { return state_->running.size(); }

void TaskScope::start(std::shared_ptr<void> owner, Task<void> task) {
  auto const at = state_->running.insert(
      state_->running.end(),
      {state_->next++, std::make_unique<asio::cancellation_signal>(), owner != nullptr});
  asio::co_spawn(
      executor_, std::move(task),
      asio::bind_cancellation_slot(at->signal->slot(), [state = state_, owner = std::move(owner),
                                                        at](std::exception_ptr error) {
        state->running.erase(at);
        if (state->running.empty()) state->ended.cancel();
        end_task(std::move(error));
      }));
}

// On the loop itself: Asio hands a signal that is emitted elsewhere to the loop by a bare pointer, and the Task may end before.
void TaskScope::cancel() {
  asio::dispatch(executor_, [state = state_, before = state_->next.load()] {
    // A handler may end its Task at once and with it the list's node: the next one is taken first.
    for (auto at = state->running.begin(); at != state->running.end();) {
      auto const now = at++;
      if (now->number < before) now->signal->emit(asio::cancellation_type::terminal);
    }
  });
}

Task<void> TaskScope::join() {
  auto const state = state_;
  while (!state->running.empty()) {
    static_cast<void>(co_await state->ended.async_wait(op));
    auto const cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) unwind();
  }
}

Signal::Signal(Executor executor) : timer_(std::move(executor), Timer::time_point::max()) {}

Task<void> Signal::wait() {
  static_cast<void>(co_await timer_.async_wait(op));
  auto const state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) unwind();
}

void Signal::notify() { timer_.cancel(); }

Wake::Wake(Handler handler, Executor const& executor)
    : handler_(std::move(handler)),
      executor_(asio::require(executor, asio::execution::outstanding_work.tracked)) {}

void Wake::operator()() {
  check(static_cast<bool>(handler_), "a wait is answered once");
  asio::post(executor_, [handler = std::move(handler_)]() mutable { std::move(handler)(); });
  handler_ = nullptr;
}

Task<void> woken(std::move_only_function<void(Wake)> begin) {
  auto const executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<asio::deferred_t const, void()>(
      [&begin, &executor](auto handler) { begin(Wake(std::move(handler), executor)); },
      asio::deferred);
}

}  // namespace millrace::io
