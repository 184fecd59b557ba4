#include "testing/sim_worker.h"

#include <deque>

namespace millrace::testing {
namespace {

struct Queue {
  std::deque<std::move_only_function<void()>> jobs;
  std::function<Duration()> delay;
  bool running = false;
};

void run_first(Queue& queue) {
  auto job = std::move(queue.jobs.front());
  queue.jobs.pop_front();
  job();
}

// Ends when it has nothing to do: a Worker that rests holds no sleeper.
io::Task<void> run_late(io::Clock& clock, std::shared_ptr<Queue> queue, Duration first) {
  for (auto wait = first;; wait = queue->delay()) {
    if (wait > Duration::zero()) co_await clock.sleep_for(wait);
    if (queue->jobs.empty()) break;
    run_first(*queue);
    if (queue->jobs.empty()) break;
  }
  queue->running = false;
}

class SimWorker final : public io::Worker {
 public:
  SimWorker(Sim& sim, std::function<Duration()> delay) : sim_(sim) {
    queue_->delay = std::move(delay);
  }
  ~SimWorker() override {
    while (!queue_->jobs.empty()) run_first(*queue_);
  }
  void post(std::move_only_function<void()> job) override {
    queue_->jobs.push_back(std::move(job));
    if (std::exchange(queue_->running, true)) return;
    if (auto const wait = queue_->delay(); wait > Duration::zero()) {
      sim_.start(run_late(sim_.clock(), queue_, wait));
      return;
    }
    // What a job posts comes behind it.
    while (!queue_->jobs.empty()) run_first(*queue_);
    queue_->running = false;
  }

 private:
  Sim& sim_;
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
};

}  // namespace

std::unique_ptr<io::Worker> sim_worker(Sim& sim, std::function<Duration()> delay) {
  return std::make_unique<SimWorker>(sim, std::move(delay));
}

}  // namespace millrace::testing
