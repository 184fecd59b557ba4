// A Worker without a thread: its jobs run on the test's thread, in order, each after a delay of simulated time.
//   Threads  The test's. The Sim and `delay` outlive the Worker.
#pragma once
#include <functional>
#include <memory>

#include "io/worker.h"
#include "testing/sim.h"

namespace millrace::testing {

// `delay` is asked once a job; a job with none that finds nobody before it runs at once, in post().
std::unique_ptr<io::Worker> sim_worker(Sim& sim, std::function<Duration()> delay);

}  // namespace millrace::testing
