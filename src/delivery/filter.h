// Which events a data stream selects, by the position at which they were accepted (DESIGN 5: an edit takes effect at the head).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/event_block.h"
#include "store/store.h"

namespace millrace::delivery {

class Filters {
 public:
  // `versions`: by from_batch; not empty.
  explicit Filters(std::vector<store::FilterVersion> versions);

  // The version that holds for events of this batch.
  bool selects(std::uint64_t batch, model::Kind const& kind) const {
    return selects(at(batch), kind);
  }
  std::uint32_t count(std::uint64_t batch, std::vector<model::KindCount> const& kinds) const;
  store::FilterVersion const& newest() const { return versions_.back(); }

  // Adds a version; one that begins at the same batch is replaced.
  void add(store::FilterVersion version);
  // Drops versions that end at or before `batch`.
  void forget_before(std::uint64_t batch);
  std::vector<store::FilterVersion> const& versions() const { return versions_; }

 private:
  store::FilterVersion const& at(std::uint64_t batch) const;
  static bool selects(store::FilterVersion const& version, model::Kind const& kind);

  std::vector<store::FilterVersion> versions_;  // event types sorted
};

}  // namespace millrace::delivery
