// Time as the program sees it. Nothing else reads a clock or sleeps.
#pragma once
#include "base/time.h"
#include "io/task.h"

namespace millrace::io {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;  // for waiting and measuring; never goes back. Any thread
  // As now(), and goes on while the machine is suspended. Any thread.
  virtual SteadyTime uptime() const { return now(); }
  virtual WallTime wall() const = 0;  // for stamps that people and peers read. Any thread
  virtual Task<void> sleep_until(
      SteadyTime at) = 0;  // unwinds when its Task is cancelled. On a loop

  Task<void> sleep_for(Duration span) {
    return sleep_until(now() + std::chrono::duration_cast<SteadyTime::duration>(span));
  }
};

class SystemClock final : public Clock {
 public:
  SteadyTime now() const override;
  SteadyTime uptime() const override;
  WallTime wall() const override;
  Task<void> sleep_until(SteadyTime at) override;
};

}  // namespace millrace::io
