// Who changed what, and when. Lines are records of the collection "audit", by UUID v7; they are only ever added.
//   Secrets  URLs, header values, credentials and mail addresses are named when they change, never quoted: lines are not sealed.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/access.h"
#include "model/data_stream.h"

namespace millrace::control {

struct FieldChange {
  std::string field;                    // JSON pointer
  std::optional<std::string> from, to;  // JSON texts; none: not told
};

struct AuditLine {
  std::string action;  // "data_streams.update"
  std::string object;  // id of what was changed
  std::string name;    // of it, for people; may be empty
  std::vector<std::string>
      accounts;  // that it belongs to: who does not see all of them does not see the line
  std::vector<FieldChange> changes;
};

// What differs, field by field.
std::vector<FieldChange> changes_between(model::DataStream const& before,
                                         model::DataStream const& after);

// As it is stored and shown.
std::string to_json(AuditLine const& line, std::string const& id, WallTime at,
                    model::Principal const& by);
// The accounts of a stored line; nullopt when it is not one.
std::optional<std::vector<std::string>> accounts_of_line(std::string const& json);

}  // namespace millrace::control
