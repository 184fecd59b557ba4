// Feeds what is accepted to the drift report: every event by its kind, and the fields of a few events a second.
//   Cost     2 us for each event whose fields are looked at, 500 a second at most: a thousandth of one core.
//   Threads  accepted() on one loop; now() on any.
#pragma once
#include "io/clock.h"
#include "io/shared.h"
#include "model/drift.h"
#include "store/store.h"

namespace millrace::server {

class DriftWatch {
 public:
  static constexpr std::size_t looks_a_second = 500;
  static constexpr std::size_t looks_a_batch =
      50;  // so that one large batch leaves some for the next

  DriftWatch(model::Catalog const& catalog, io::Clock& clock)
      : clock_(clock), drift_(model::Drift(catalog)), second_(clock.now()) {}

  void accepted(store::RecordBatch const& batch);  // each batch of the log, once
  model::Drift now() const {
    return drift_.with([](model::Drift const& drift) { return drift; });
  }

 private:
  io::Clock& clock_;
  io::Locked<model::Drift> drift_;
  SteadyTime second_;
  std::size_t left_ = looks_a_second;
};

}  // namespace millrace::server
