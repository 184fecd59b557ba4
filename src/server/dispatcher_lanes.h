// What the records of data streams say, told to the dispatcher call by call: each newer record becomes the one call that brings its lane there.
//   Threads  Any.
#pragma once
#include <map>

#include "control/lanes.h"
#include "control/turns.h"
#include "delivery/dispatcher.h"
#include "io/shared.h"

namespace millrace::server {

class DispatcherLanes final : public control::Lanes {
 public:
  // `at_work`: the records that the dispatcher was opened with. The dispatcher outlives this.
  DispatcherLanes(delivery::Dispatcher& dispatcher,
                  std::vector<control::DesiredPtr> const& at_work);

  std::shared_ptr<void> begin_change() override;
  io::Task<Result<model::AppliedStream>> apply(control::DesiredPtr desired) override;

 private:
  struct AtWork {  // of a lane
    std::uint64_t version = 0, epoch = 0;
    model::StreamState state{};
  };
  io::Task<Result<model::AppliedStream>> bring(control::DesiredPtr desired,
                                               std::optional<AtWork> before);

  delivery::Dispatcher& dispatcher_;
  control::Turns turns_;
  io::Locked<std::map<StreamId, AtWork>> at_work_;
};

}  // namespace millrace::server
