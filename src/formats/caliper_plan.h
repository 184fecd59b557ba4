// Within room formats: a mapping of the catalogue, compiled. The language is described in README.md.
#pragma once
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/caliper_model.h"

namespace millrace::formats {

// What is done to a value that is copied. Free text from outside may stand where Caliper has a grammar: what does not fit is left out,
// as null is.
enum class Change : std::uint8_t {
  none,      // any value, as it is written
  any_time,  // of extensions: in the form of Caliper; what is no time stays as it is written
  time,      // in the form of Caliper
  text,      // a number becomes text
  id,        // of extensions: a number becomes text, all else stays as it is written
  integer,   // 2.0 too
  decimal,
  whole,  // a decimal without a fraction of zeros
  boolean,
  iri,
};

struct Node {
  enum class Kind : std::uint8_t { literal, field, joined, first, choose, object, array, actor };
  Kind kind = Kind::literal;
  Change change = Change::none;   // of a field
  std::uint16_t slot = 0;         // of a field or a choice
  std::string text;               // literal: JSON; joined: unused
  std::vector<std::string> keys;  // object: `"key":`; choose: the cases, as raw JSON strings
  bool is_iri = false;            // joined: only what may stand in an IRI goes into it
  std::vector<Node> parts;        // joined, first, choose (the last one: otherwise), object, array
  bool has_id = false;            // object: nothing of it stands without its first member, "id"
};

// The values that a plan needs of an event, by place. The first are the same in all plans.
enum Slot : std::uint16_t {
  event_time,
  hostname,
  request_id,
  user_agent,
  client_ip,
  url,
  job_id,
  job_tag,
  referrer,
  session_id,
  user_id,
  user_login,
  user_sis_id,
  root_account_id,
  root_account_lti_guid,
  root_account_uuid,
  real_user_id,
  context_type,
  context_id,
  context_role,
  body_context_type,
  body_context_id,
  body_course_id,
  body_course_section_id,
  common_slots
};

// Finds the slot of a member by its name: open addressing, no allocation when asked.
class SlotTable {
 public:
  SlotTable();
  std::uint16_t slot_of(std::string_view path);  // "metadata.x" or "body.x"; adds it
  static constexpr std::uint16_t none = 0xFFFF;
  std::uint16_t find(bool in_body, std::string_view name) const;
  std::size_t size() const { return count_; }

 private:
  struct Entry {
    std::string name;
    bool in_body = false;
    std::uint16_t slot = none;
  };
  static constexpr std::size_t places = 256;
  static std::size_t place_of(bool in_body, std::string_view name);
  std::vector<Entry> entries_;
  std::size_t count_ = 0;
};

enum class GroupRule : std::uint8_t { course, section, none };

struct Plan {
  std::string type, action;  // raw JSON strings
  Node object, generated;
  bool has_generated = false;
  bool bare_actor = false;                          // Person without extensions
  std::uint16_t actor_otherwise = SlotTable::none;  // who acted where metadata names no user
  std::uint16_t membership_otherwise =
      SlotTable::none;  // course of a membership without a course context
  GroupRule group = GroupRule::course;
  SlotTable slots;
};

// `model` says what each property takes. Fails with: invalid, naming the place.
Result<Plan> compile(boost::json::object const& mapping, CaliperModel const& model);

}  // namespace millrace::formats
