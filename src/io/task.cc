#include "io/task.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
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

struct TaskScope::Running {
  asio::cancellation_signal signal;
};

TaskScope::TaskScope(Executor executor)
    : executor_(executor), ended_(executor, asio::steady_timer::time_point::max()) {}

TaskScope::~TaskScope() { check(running_.empty(), "a TaskScope ends after its Tasks"); }

void TaskScope::start(Task<void> task) {
  auto const at = running_.insert(running_.end(), std::make_unique<Running>());
  asio::co_spawn(
      executor_, std::move(task),
      asio::bind_cancellation_slot((*at)->signal.slot(), [this, at](std::exception_ptr error) {
        running_.erase(at);
        if (running_.empty()) ended_.cancel();
        end_task(std::move(error));
      }));
}

void TaskScope::cancel() {
  // A handler may end its Task at once and with it the list's node: the next one is taken first.
  for (auto at = running_.begin(); at != running_.end();) {
    auto const now = at++;
    (*now)->signal.emit(asio::cancellation_type::terminal);
  }
}

Task<void> TaskScope::join() {
  while (!running_.empty()) {
    static_cast<void>(co_await ended_.async_wait(op));
    auto const state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) unwind();
  }
}

Signal::Signal(Executor executor)
    : timer_(std::move(executor), asio::steady_timer::time_point::max()) {}

Task<void> Signal::wait() {
  static_cast<void>(co_await timer_.async_wait(op));
  auto const state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) unwind();
}

void Signal::notify() { timer_.cancel(); }

}  // namespace millrace::io
