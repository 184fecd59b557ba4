// Runs a Task on another loop and gives its value back on the caller's.
#pragma once
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

#include "io/task.h"

namespace millrace::delivery {

// Not cancellable: the answer always comes. When it has come, nothing of the Task is left on the other loop.
template <class T>
io::Task<T> on_loop(io::Executor loop, io::Task<T> task) {
  co_return co_await io::answer<T>(
      [loop = std::move(loop), task = std::move(task)](io::Resolver<T> done) mutable {
        io::asio::co_spawn(loop, std::move(task),
                           [done = std::move(done)](std::exception_ptr error, T value) mutable {
                             check(!error, "a call on another loop ends with its answer");
                             done(std::move(value));
                           });
      });
}

}  // namespace millrace::delivery
