// Holds Caliper documents against IMS Caliper 1.1: envelopes, events and entities, after the model in catalog/caliper/model.json.
//   A fault names its place (JSON pointer) and the rule. Deprecated properties are no faults, and neither is null where a property is
//   optional: the specification says SHOULD. A required property is there and not null; each item of an array is of the array's type;
//   terms are those of their vocabulary.
//   Threads  Immutable after load(); any thread.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::formats {

struct CaliperModel;

struct CaliperFault {
  std::string pointer;  // "/data/0/object/type"; "" is the document
  std::string rule;     // a sentence
};

class CaliperValidator {
 public:
  // `profile`: "" for the specification alone, "canvas" to allow what Canvas does otherwise on purpose.
  // Fails with: missing (no such profile).
  static Result<CaliperValidator> load(std::string_view profile = "");
  CaliperValidator(CaliperValidator&&) noexcept;
  CaliperValidator& operator=(CaliperValidator&&) noexcept;
  ~CaliperValidator();

  // An envelope (it has "data"), an event or an entity; at most 4 MiB, 64 levels, and 100 faults. Empty: it conforms.
  std::vector<CaliperFault> check(std::string_view json) const;

 private:
  explicit CaliperValidator(std::unique_ptr<CaliperModel const> model);
  std::unique_ptr<CaliperModel const> model_;
};

}  // namespace millrace::formats
