// What delivery needs of the Caliper format: the form of an event, checked before it goes out if the operator wants it.
//   Threads  All of it is immutable; any thread.
#pragma once
#include <cstdint>
#include <string_view>

#include "delivery/transport.h"
#include "formats/caliper.h"
#include "formats/caliper_validator.h"
#include "store/store.h"

namespace millrace::delivery {

enum class CaliperCheck : std::uint8_t {
  off,
  warn,   // findings are counted
  refuse  // and what has one is not sent: it is undelivered
};

struct CaliperForm {
  formats::CaliperRenderer const* renderer = nullptr;  // null: no stream may have the format
  formats::CaliperValidator const* validator =
      nullptr;  // with the profile canvas; only for warn and refuse
  CaliperCheck check = CaliperCheck::off;

  bool has_form(std::string_view event_type) const {
    return renderer != nullptr && renderer->has_form(event_type);
  }
  // The envelope as an unsigned body; or why it must not be sent.
  Rendered render(store::RecordBatch const& batch, std::uint32_t index, bool is_test) const;
};

}  // namespace millrace::delivery
