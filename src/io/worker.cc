#include "io/worker.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace millrace::io {
namespace {

class ThreadWorker final : public Worker {
 public:
  ThreadWorker(std::string name, int nice)
      : thread_([this, name = std::move(name), nice] {
          name_thread(name);
          if (nice != 0) nice_thread(nice);
          run();
        }) {}
  ~ThreadWorker() override {
    {
      std::lock_guard const lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void post(std::move_only_function<void()> job) override {
    {
      std::lock_guard const lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    for (;;) {
      std::move_only_function<void()> job;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses all of the above
};

class InlineWorker final : public Worker {
 public:
  void post(std::move_only_function<void()> job) override { job(); }
};

}  // namespace

std::unique_ptr<Worker> thread_worker(std::string name, int nice) {
  return std::make_unique<ThreadWorker>(std::move(name), nice);
}
std::unique_ptr<Worker> inline_worker() { return std::make_unique<InlineWorker>(); }

void name_thread(std::string const& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

void nice_thread(int nice) {
  // On Linux a "process" of setpriority is a thread when its id is given.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
}

}  // namespace millrace::io
