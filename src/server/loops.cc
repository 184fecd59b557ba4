#include "server/loops.h"

#include <fmt/format.h>

#include "io/worker.h"

namespace millrace::server {

struct Loops::Loop {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  io::LoopMeter meter;
  std::thread thread;
};

Loops::Loops(std::size_t count, int nice) {
  for (std::size_t i = 0; i < count; ++i) {
    auto& loop = *loops_.emplace_back(std::make_unique<Loop>());
    loop.thread = std::thread([&loop, i, nice] {
      io::name_thread(fmt::format("loop {}", i));
      if (nice != 0) io::nice_thread(nice);
      io::run_measured(loop.context, loop.meter);
    });
  }
}

Loops::~Loops() { stop(); }

std::vector<io::Executor> Loops::executors() const {
  std::vector<io::Executor> all;
  for (auto const& loop : loops_) all.emplace_back(loop->context.get_executor());
  return all;
}

std::vector<io::LoopMeter*> Loops::meters() const {
  std::vector<io::LoopMeter*> all;
  for (auto const& loop : loops_) all.push_back(&loop->meter);
  return all;
}

void Loops::stop() {
  for (auto const& loop : loops_) loop->context.stop();
  for (auto const& loop : loops_)
    if (loop->thread.joinable()) loop->thread.join();
}

}  // namespace millrace::server
