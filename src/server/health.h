// Whether this node makes progress: each loop answers, and the store does. A process that exists and stands still is not well.
//   Threads  The watches run on the node's own loop; trouble() on any.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "io/clock.h"
#include "io/task.h"
#include "store/store.h"

namespace millrace::server {

class Health {
 public:
  static constexpr auto interval = std::chrono::seconds(1);  // between two questions
  static constexpr auto limit = std::chrono::seconds(5);     // for an answer

  // `store` and `clock` outlive the Health, and what runs on `loops`.
  Health(store::Store& store, io::Clock& clock, std::vector<io::Executor> loops);

  io::Task<void> watch_loops();  // both until cancelled
  io::Task<void> watch_store();

  std::string trouble() const;  // empty: all is well; else what stands still, for people

 private:
  struct Pulse {  // shared with questions, which may outlive the Health
    std::string of;
    std::atomic<SteadyTime::rep> answered;
    std::atomic<bool> asked{false};  // one question at a time, however long its answer takes
  };
  std::shared_ptr<Pulse> pulse(std::string of) const;

  store::Store& store_;
  io::Clock& clock_;
  std::vector<io::Executor> loops_;
  std::vector<std::shared_ptr<Pulse>> pulses_;  // one for each loop, then watch_loops() itself
  std::shared_ptr<Pulse> disk_;
};

}  // namespace millrace::server
