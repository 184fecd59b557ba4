// A process of our own making, which ends with us.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/clock.h"

namespace millrace::cli {

// Calls block: make them on a Worker. The child ends when the thread that started it does, at the latest.
class Child {
 public:
  // Runs this program again with `arguments`. Its standard output can be read here; its errors go where ours go.
  // It is not in our process group: Ctrl-C reaches us only. Fails with: io.
  static Result<std::unique_ptr<Child>> start_self(std::vector<std::string> arguments);
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}
  Child(Child const&) = delete;
  Child& operator=(Child const&) = delete;
  ~Child();  // stop()

  // The next line of its output, without the line end. Fails with: io (it ended, or nothing came within `patience`).
  Result<std::string> read_line(io::Clock const& clock, Duration patience);
  // SIGTERM, then waits until it has ended.
  void stop();

 private:
  pid_t pid_;
  int output_;
  std::string read_;
};

}  // namespace millrace::cli
