// The Caliper IMS 1.1 form of an event: an engine over the mapping that stands as data in catalog/ (key "caliper").
//   Pure: the same bytes at every call (DESIGN 2.2): the event's id and its time of acceptance come in.
//   Values    are copied as they were written, numbers included, but for times (UTC with milliseconds) and what a mapping marks.
//             Null and absent are the same: the key is left out.
//   Threads   A renderer is immutable; any thread.
//   The language of mappings is described in README.md.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/catalog.h"
#include "model/event_block.h"

namespace millrace::formats {

class CaliperRenderer {
 public:
  // Fails with: invalid, naming the event and the place in its mapping.
  static Result<CaliperRenderer> make(model::Catalog const& catalog);
  CaliperRenderer(CaliperRenderer&&) noexcept;
  CaliperRenderer& operator=(CaliperRenderer&&) noexcept;
  ~CaliperRenderer();

  // The catalogue maps this type: render() of it fails only where the event lacks something.
  bool has_form(std::string_view event_type) const;
  // The envelope with one event; `is_test`: it says "test": true among its extensions.
  // Fails with: missing (no Caliper form), invalid (the event lacks what its form cannot do without).
  Result<std::string> render(std::string_view event_type, model::EventView const& event,
                             WallTime accepted_at, EventId id, bool is_test = false) const;

 private:
  struct Plans;
  explicit CaliperRenderer(std::unique_ptr<Plans> plans);
  std::unique_ptr<Plans> plans_;
};

}  // namespace millrace::formats
