#include "http/tasks.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/system/system_error.hpp>
#include <exception>

namespace millrace::http {
namespace {

void end_task(std::exception_ptr const& error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (io::Unwound const&) {
  } catch (boost::system::system_error const& e) {
    check(e.code() == io::asio::error::operation_aborted, e.what());
  } catch (std::exception const& e) {
    check(false, e.what());
  }
}

}  // namespace

Tasks::State::State(io::Executor const& executor) : ended(executor, io::Timer::time_point::max()) {}

Tasks::Tasks(io::Executor executor)
    : executor_(executor), state_(std::make_shared<State>(executor)) {}

void Tasks::start(std::shared_ptr<void> owner, io::Task<void> task) {
  auto const at = state_->running.insert(state_->running.end(),
                                         std::make_unique<io::asio::cancellation_signal>());
  io::asio::co_spawn(
      executor_, std::move(task),
      io::asio::bind_cancellation_slot(
          (*at)->slot(), [state = state_, owner = std::move(owner), at](std::exception_ptr error) {
            state->running.erase(at);
            if (state->running.empty()) state->ended.cancel();
            end_task(error);
          }));
}

// On the loop itself: Asio hands a signal that is emitted elsewhere to the loop by a bare pointer, and the Task may end before.
void Tasks::cancel() {
  io::asio::dispatch(executor_, [state = state_] {
    for (auto at = state->running.begin(); at != state->running.end();) {
      auto const now = at++;
      (*now)->emit(io::asio::cancellation_type::terminal);
    }
  });
}

io::Task<void> Tasks::join() {
  auto const state = state_;
  while (!state->running.empty()) {
    static_cast<void>(co_await state->ended.async_wait(io::op));
    auto const cancelled = co_await io::asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != io::asio::cancellation_type::none) io::unwind();
  }
}

}  // namespace millrace::http
