// Tasks of an object that may be destroyed while they run: an io::TaskScope whose Tasks keep their object alive themselves.
//   Threads  One loop's; cancel() from any thread.
#pragma once
#include <boost/asio/cancellation_signal.hpp>
#include <list>
#include <memory>

#include "io/task.h"

namespace millrace::http {

class Tasks {
 public:
  explicit Tasks(io::Executor executor);
  // `owner` lives until the Task has ended. An exception other than a cancellation ends the process.
  void start(std::shared_ptr<void> owner, io::Task<void> task);
  void cancel();
  io::Task<void> join();
  std::size_t running() const { return state_->running.size(); }
  io::Executor const& executor() const { return executor_; }

 private:
  struct State {
    explicit State(io::Executor const& executor);
    std::list<std::unique_ptr<io::asio::cancellation_signal>> running;
    io::Timer ended;
  };
  io::Executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace millrace::http
