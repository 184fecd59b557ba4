#include "formats/caliper_plan.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/value.hpp>
#include <cstring>

#include "json/reader.h"
#include "json/write.h"

namespace millrace::formats {
namespace {

using boost::json::object;
using boost::json::value;

// In the order of enum Slot.
constexpr std::array<std::string_view, common_slots> common{"metadata.event_time",
                                                            "metadata.hostname",
                                                            "metadata.request_id",
                                                            "metadata.user_agent",
                                                            "metadata.client_ip",
                                                            "metadata.url",
                                                            "metadata.job_id",
                                                            "metadata.job_tag",
                                                            "metadata.referrer",
                                                            "metadata.session_id",
                                                            "metadata.user_id",
                                                            "metadata.user_login",
                                                            "metadata.user_sis_id",
                                                            "metadata.root_account_id",
                                                            "metadata.root_account_lti_guid",
                                                            "metadata.root_account_uuid",
                                                            "metadata.real_user_id",
                                                            "metadata.context_type",
                                                            "metadata.context_id",
                                                            "metadata.context_role",
                                                            "body.context_type",
                                                            "body.context_id",
                                                            "body.course_id",
                                                            "body.course_section_id"};

bool is_path(std::string_view text) {
  return text.starts_with("body.") || text.starts_with("metadata.");
}

bool is_id(std::string_view key) { return key == "id" || key.ends_with("_id"); }

// What a property takes decides what is done to the value that is copied into it; within extensions all is free.
struct Wanted {
  CaliperModel::Property const* property = nullptr;  // nullptr: anything
  bool is_id = false;                                // of extensions

  bool takes(std::string_view type) const { return property != nullptr && property->takes(type); }
  bool takes_iri() const { return takes("IRI"); }
};

Change change_of(Wanted const& wanted) {
  if (wanted.takes("DateTime")) return Change::time;
  if (wanted.takes("integer")) return Change::integer;
  if (wanted.takes("decimal")) return Change::decimal;
  if (wanted.takes("Boolean")) return Change::boolean;
  if (wanted.takes("string")) return Change::text;
  if (wanted.takes_iri()) return Change::iri;
  return wanted.is_id ? Change::id : Change::none;
}

class Compiler {
 public:
  Compiler(SlotTable& slots, CaliperModel const& model) : slots_(slots), model_(model) {}

  Result<Node> node(value const& from, std::string const& place, Wanted wanted) {
    if (from.is_string()) return text_node(std::string_view(from.get_string()), place, wanted);
    if (from.is_array()) return list_node(from, Node::Kind::array, place, wanted);
    if (!from.is_object())
      return fail(Fault::invalid, place + ": is neither text, list nor object");
    auto const& members = from.get_object();
    if (auto const* const first = members.if_contains("first"))
      return list_node(*first, Node::Kind::first, place, wanted);
    if (members.contains("choose")) return choice(members, place, wanted);
    return object_node(members, place);
  }

 private:
  Result<Node> text_node(std::string_view text, std::string const& place, Wanted wanted) {
    Node made;
    if (text.starts_with('\'')) {
      made.text = json::quote(text.substr(1));
      return made;
    }
    if (text == "{actor}") {
      made.kind = Node::Kind::actor;
      return made;
    }
    if (is_path(text)) return field(text, place, wanted);
    auto joined_text = joined(text, place);
    if (joined_text) joined_text->is_iri = wanted.takes_iri();
    return joined_text;
  }

  Result<Node> field(std::string_view text, std::string const& place, Wanted wanted) {
    Node made;
    made.kind = Node::Kind::field;
    made.change = change_of(wanted);
    auto const bar = text.find('|');
    if (bar != text.npos) {
      auto const change = text.substr(bar + 1);
      if (change == "time" && (made.change == Change::none || made.change == Change::id))
        made.change = Change::any_time;
      else if (change == "whole" && made.change == Change::decimal)
        made.change = Change::whole;
      else if (change != "time" || made.change != Change::time)
        return fail(Fault::invalid, fmt::format("{}: knows no change '{}' here", place, change));
    }
    made.slot = slots_.slot_of(text.substr(0, bar));
    return made;
  }

  // "urn:…:{body.x}:…": literal pieces and fields in turn.
  Result<Node> joined(std::string_view text, std::string const& place) {
    Node made;
    made.kind = Node::Kind::joined;
    while (!text.empty()) {
      auto const open = text.find('{');
      Node piece;
      if (open != 0) {
        piece.text = std::string(text.substr(0, open));
        text.remove_prefix(open == text.npos ? text.size() : open);
      } else {
        auto const close = text.find('}');
        if (close == text.npos) return fail(Fault::invalid, place + ": '{' without '}'");
        auto const inside = text.substr(1, close - 1);
        text.remove_prefix(close + 1);
        if (inside == "sensor") {
          piece.kind = Node::Kind::actor;  // within a joined text: the sensor
        } else if (is_path(inside)) {
          piece.kind = Node::Kind::field;
          piece.slot = slots_.slot_of(inside);
        } else {
          return fail(Fault::invalid, fmt::format("{}: knows no '{}'", place, inside));
        }
      }
      made.parts.push_back(std::move(piece));
    }
    return made;
  }

  Result<Node> list_node(value const& from, Node::Kind kind, std::string const& place,
                         Wanted wanted) {
    if (!from.is_array() || from.get_array().empty())
      return fail(Fault::invalid, place + ": is not a list with something in it");
    Node made;
    made.kind = kind;
    for (auto const& each : from.get_array()) {
      auto part = node(each, place, wanted);
      if (!part) return part;
      made.parts.push_back(std::move(*part));
    }
    return made;
  }

  Result<Node> choice(object const& members, std::string const& place, Wanted wanted) {
    auto const by = json::text_at(members, "choose");
    auto const* const cases = members.if_contains("cases");
    auto const* const otherwise = members.if_contains("otherwise");
    if (!by || !is_path(*by) || cases == nullptr || !cases->is_object() || otherwise == nullptr)
      return fail(Fault::invalid, place + ": a choice has choose (a path), cases and otherwise");
    Node made;
    made.kind = Node::Kind::choose;
    made.slot = slots_.slot_of(*by);
    for (auto const& each : cases->get_object()) {
      auto part = node(each.value(), place + "/" + std::string(each.key()), wanted);
      if (!part) return part;
      made.keys.push_back(json::quote(each.key()));
      made.parts.push_back(std::move(*part));
    }
    auto last = node(*otherwise, place + "/otherwise", wanted);
    if (!last) return last;
    made.parts.push_back(std::move(*last));
    return made;
  }

  // An entity: its type, which is literal, says what each property takes.
  Result<Node> object_node(object const& members, std::string const& place) {
    auto const name = json::text_at(members, "type");
    auto const type = name && name->starts_with('\'') ? model_.entities.find(name->substr(1))
                                                      : model_.entities.end();
    if (type == model_.entities.end())
      return fail(Fault::invalid, place + "/type: is not ' and a type of Caliper 1.1");
    Node made;
    made.kind = Node::Kind::object;
    for (auto const& each : members) {
      auto const inner = place + "/" + std::string(each.key());
      auto const* const property = type->second.property(each.key());
      if (property == nullptr)
        return fail(Fault::invalid,
                    fmt::format("{}: {} has no such property", inner, name->substr(1)));
      auto part = each.key() == "extensions" ? extensions(each.value(), inner)
                                             : node(each.value(), inner, {property, false});
      if (!part) return part;
      if (each.key() == "id") made.has_id = made.parts.empty();
      made.keys.push_back(json::quote(each.key()) + ":");
      made.parts.push_back(std::move(*part));
    }
    return made;
  }

  Result<Node> extensions(value const& from, std::string const& place) {
    if (!from.is_object()) return fail(Fault::invalid, place + ": is not an object");
    Node inside;
    inside.kind = Node::Kind::object;
    for (auto const& each : from.get_object()) {
      auto part =
          node(each.value(), place + "/" + std::string(each.key()), {nullptr, is_id(each.key())});
      if (!part) return part;
      inside.keys.push_back(json::quote(each.key()) + ":");
      inside.parts.push_back(std::move(*part));
    }
    Node wrapper;
    wrapper.kind = Node::Kind::object;
    wrapper.keys.emplace_back(R"("com.instructure.canvas":)");
    wrapper.parts.push_back(std::move(inside));
    return wrapper;
  }

  SlotTable& slots_;
  CaliperModel const& model_;
};

}  // namespace

SlotTable::SlotTable() : entries_(places) {
  for (auto const path : common) slot_of(path);
}

// Of the length and both ends: every member of every event passes here, and names differ there.
std::size_t SlotTable::place_of(bool in_body, std::string_view name) {
  std::uint64_t first = 0, last = 0;
  auto const size = name.size();
  if (size >= 8) {
    std::memcpy(&first, name.data(), 8);
    std::memcpy(&last, name.data() + size - 8, 8);
  } else if (size >= 4) {
    std::uint32_t four = 0;
    std::memcpy(&four, name.data(), 4);
    first = four;
    std::memcpy(&four, name.data() + size - 4, 4);
    last = four;
  } else {
    for (char const c : name) first = first << 8 | static_cast<unsigned char>(c);
  }
  auto const mixed =
      (first ^ (last << 1) ^ (size << 3) ^ (in_body ? 1U : 0U)) * 0x9E3779B97F4A7C15U;
  return mixed >> 56;  // 256 places
}

std::uint16_t SlotTable::slot_of(std::string_view path) {
  bool const in_body = path.starts_with("body.");
  auto const name = path.substr(path.find('.') + 1);
  check(count_ < places / 2, "a mapping names fewer fields than its table holds");
  for (auto at = place_of(in_body, name);; at = (at + 1) % places) {
    auto& entry = entries_[at];
    if (entry.slot == none) {
      entry = {std::string(name), in_body, static_cast<std::uint16_t>(count_++)};
      return entry.slot;
    }
    if (entry.in_body == in_body && entry.name == name) return entry.slot;
  }
}

std::uint16_t SlotTable::find(bool in_body, std::string_view name) const {
  for (auto at = place_of(in_body, name);; at = (at + 1) % places) {
    auto const& entry = entries_[at];
    if (entry.slot == none) return none;
    if (entry.in_body == in_body && entry.name == name) return entry.slot;
  }
}

Result<Plan> compile(object const& mapping, CaliperModel const& model) {
  Plan plan;
  auto const type = json::text_at(mapping, "type");
  auto const action = json::text_at(mapping, "action");
  auto const* const made = mapping.if_contains("object");
  if (!type || !action || made == nullptr)
    return fail(Fault::invalid, "a mapping has type, action and object");
  plan.type = json::quote(*type);
  plan.action = json::quote(*action);
  Compiler compiler(plan.slots, model);
  auto object_plan = compiler.node(*made, "/object", {});
  if (!object_plan) return pass(object_plan);
  plan.object = std::move(*object_plan);
  if (auto const* const generated = mapping.if_contains("generated")) {
    auto generated_plan = compiler.node(*generated, "/generated", {});
    if (!generated_plan) return pass(generated_plan);
    plan.generated = std::move(*generated_plan);
    plan.has_generated = true;
  }
  plan.bare_actor = json::text_at(mapping, "actor") == "bare";
  if (auto const path = json::text_at(mapping, "actor_otherwise"))
    plan.actor_otherwise = plan.slots.slot_of(*path);
  if (auto const path = json::text_at(mapping, "membership_otherwise"))
    plan.membership_otherwise = plan.slots.slot_of(*path);
  auto const group = json::text_at(mapping, "group").value_or("course");
  if (group != "course" && group != "section" && group != "none")
    return fail(Fault::invalid, fmt::format("/group: knows no '{}'", group));
  plan.group = group == "course"    ? GroupRule::course
               : group == "section" ? GroupRule::section
                                    : GroupRule::none;
  return plan;
}

}  // namespace millrace::formats
