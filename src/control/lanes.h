// What control asks of whoever does what the records of data streams say.
//   Threads  Any.
#pragma once
#include <memory>

#include "base/error.h"
#include "control/stream_table.h"
#include "io/task.h"

namespace millrace::control {

class Lanes {
 public:
  virtual ~Lanes() = default;
  // Whoever changes a record holds this from before it is stored until apply() has answered. Null: the node stops, and takes no more
  // changes.
  virtual std::shared_ptr<void> begin_change() = 0;
  // A record is stored so. Answers when its stream works by that version, or by a newer one, and the stream's progress is stored with it.
  // Several of one stream are told in the order of their versions. Always answers, at the latest when the node stops. A failure undoes
  // nothing, and the record stays true: the next start works by it.
  virtual io::Task<Result<model::AppliedStream>> apply(DesiredPtr desired) = 0;
};

}  // namespace millrace::control
