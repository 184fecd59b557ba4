#include "formats/caliper_validator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <set>

#include "base/time.h"
#include "base/uuid.h"
#include "json/reader.h"

namespace millrace::formats {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Names = std::set<std::string, std::less<>>;

constexpr std::size_t most_faults = 100;

struct Property {
  std::vector<std::string> types;  // any of them
  enum class Use { optional, required, not_applicable, deprecated } use = Use::optional;
};

struct Type {
  Names supertypes;  // and those above, and itself
  std::map<std::string, Property, std::less<>> properties;
  std::map<std::string, Names, std::less<>>
      places;  // of an event: actor, object, generated, target -> types
  Names actions;
};

Property property_of(std::string_view text) {
  Property made;
  switch (text.back()) {
    case '!':
      made.use = Property::Use::required;
      break;
    case '-':
      made.use = Property::Use::not_applicable;
      break;
    case '~':
      made.use = Property::Use::deprecated;
      break;
    default:
      break;
  }
  if (made.use != Property::Use::optional) text.remove_suffix(1);
  for (std::size_t at = 0; at <= text.size();) {
    auto const end = std::min(text.find('/', at), text.size());
    made.types.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return made;
}

void add_names(value const* from, Names& to) {
  if (from == nullptr) return;
  for (auto const& each : from->as_array()) to.emplace(each.as_string());
}

using Types = std::map<std::string, Type, std::less<>>;

// Supertypes stand before their subtypes in no order: each is resolved when it is first needed.
Type const& resolve(object const& all, std::string_view name, Types& made) {
  if (auto const found = made.find(name); found != made.end()) return found->second;
  auto const& from = all.at(name).as_object();
  Type type;
  type.supertypes.emplace(name);
  if (auto const* const above = from.if_contains("is")) {
    for (auto const& each : above->as_array()) {
      auto const& super = resolve(all, std::string_view(each.as_string()), made);
      type.supertypes.insert(super.supertypes.begin(), super.supertypes.end());
      for (auto const& property : super.properties) type.properties.insert(property);
    }
  }
  if (auto const* const own = from.if_contains("has"))
    for (auto const& each : own->as_object())
      type.properties.insert_or_assign(std::string(each.key()),
                                       property_of(std::string_view(each.value().as_string())));
  add_names(from.if_contains("actors"), type.places["actor"]);
  add_names(from.if_contains("objects"), type.places["object"]);
  add_names(from.if_contains("generated"), type.places["generated"]);
  add_names(from.if_contains("target"), type.places["target"]);
  add_names(from.if_contains("actions"), type.actions);
  return made.emplace(std::string(name), std::move(type)).first->second;
}

// RFC 3986's outer form: a scheme, a colon, and something after it without spaces.
bool is_iri(std::string_view text) {
  if (text.starts_with("_:")) return text.size() > 2;
  auto const colon = text.find(':');
  if (colon == text.npos || colon == 0 || colon + 1 == text.size()) return false;
  auto const scheme_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  };
  return std::ranges::all_of(text.substr(0, colon), scheme_char) &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
}

bool is_time(std::string_view text) {
  return text.size() == 24 && text[10] == 'T' && text[19] == '.' && text[23] == 'Z' &&
         parse_time(text).has_value();
}

// ISO 8601: P1DT2H3.5S and the like.
bool is_duration(std::string_view text) {
  if (text.size() < 3 || text.front() != 'P') return false;
  bool digits = false, any = false;
  for (char const c : text.substr(1)) {
    bool const number = (c >= '0' && c <= '9') || c == '.' || c == ',';
    if (c == 'T' ? digits : !number && std::string_view("YMWDHS").find(c) == std::string_view::npos)
      return false;
    if (!number && c != 'T') {
      if (!digits) return false;
      any = true;
    }
    digits = number;
  }
  return any && !digits;
}

std::string list_of(Names const& names) { return fmt::format("{}", fmt::join(names, ", ")); }

}  // namespace

struct CaliperValidator::Model {
  std::string context;
  Types entities, events;
  bool software_may_act = false;  // a profile allows it everywhere

  bool has_supertype(std::string_view type, std::string_view wanted) const {
    auto const found = entities.find(type);
    return found != entities.end() && found->second.supertypes.contains(wanted);
  }
};

namespace {

template <class Model>
class Check {
 public:
  explicit Check(Model const& model) : model_(model) {}

  std::vector<CaliperFault> document(std::string_view text) {
    auto const parsed = json::parse(text, {.bytes = 4 * 1024 * 1024, .depth = 64});
    if (!parsed) {
      fault("", parsed.error().what);
    } else if (!parsed->is_object()) {
      fault("", "is not an object");
    } else if (parsed->get_object().contains("data")) {
      envelope(parsed->get_object());
    } else {
      item(parsed->get_object(), "");
    }
    return std::move(faults_);
  }

 private:
  void fault(std::string pointer, std::string rule) {
    if (faults_.size() < most_faults) faults_.push_back({std::move(pointer), std::move(rule)});
  }

  void envelope(object const& from) {
    static constexpr std::array<std::string_view, 4> known{"sensor", "sendTime", "dataVersion",
                                                           "data"};
    for (auto const& each : from)
      if (std::ranges::find(known, std::string_view(each.key())) == known.end())
        fault("/" + std::string(each.key()),
              "an envelope has no other members than sensor, sendTime, dataVersion and data");
    auto const text = [&](std::string_view key) -> std::string_view {
      if (auto const found = json::text_at(from, key)) return *found;
      fault(fmt::format("/{}", key), "is required, and a string");
      return {};
    };
    text("sensor");
    if (auto const time = text("sendTime"); !time.empty() && !is_time(time))
      fault("/sendTime", time_rule);
    if (auto const version = text("dataVersion"); !version.empty() && version != model_.context)
      fault("/dataVersion", fmt::format("is not {}", model_.context));
    auto const* const data = from.if_contains("data");
    if (!data->is_array() || data->get_array().empty())
      return fault("/data", "is not an array with something in it");
    std::size_t i = 0;
    for (auto const& each : data->get_array()) {
      auto const pointer = fmt::format("/data/{}", i++);
      if (each.is_object()) {
        item(each.get_object(), pointer);
      } else {
        fault(pointer, "is neither an event nor an entity");
      }
    }
  }

  void item(object const& from, std::string const& pointer) {
    auto const type = json::text_at(from, "type");
    if (!type) return fault(pointer + "/type", "is required, and a string");
    if (auto const event = model_.events.find(*type); event != model_.events.end()) {
      context(from, pointer, true);
      properties(from, event->second, *type, pointer, true);
      event_rules(from, event->second, *type, pointer);
    } else {
      entity(from, pointer, {});
    }
  }

  void context(object const& from, std::string const& pointer, bool required) {
    auto const* const found = from.if_contains("@context");
    if (found == nullptr) {
      if (required) fault(pointer + "/@context", "is required");
      return;
    }
    auto const is_ours = [&](value const& v) {
      return v.is_string() && std::string_view(v.get_string()) == model_.context;
    };
    bool const ok = is_ours(*found) || (found->is_array() && !found->get_array().empty() &&
                                        is_ours(found->get_array().back()));
    if (!ok)
      fault(pointer + "/@context",
            fmt::format("is not {} (or an array that ends with it)", model_.context));
  }

  void event_rules(object const& from, Type const& type, std::string_view name,
                   std::string const& pointer) {
    if (auto const id = json::text_at(from, "id");
        id && (!id->starts_with("urn:uuid:") || !Uuid::parse(id->substr(9))))
      fault(pointer + "/id", "is not urn:uuid: and a UUID");
    auto const action = json::text_at(from, "action");
    if (action && !type.actions.contains(*action))
      fault(pointer + "/action",
            fmt::format("{} is no action of {}: {}", *action, name, list_of(type.actions)));
    for (auto const& [place, allowed] : type.places) {
      if (allowed.empty()) continue;
      auto const* const found = from.if_contains(place);
      if (found == nullptr || !found->is_object()) continue;
      auto const what = json::text_at(found->get_object(), "type");
      if (what && std::ranges::none_of(
                      allowed, [&](auto const& a) { return model_.has_supertype(*what, a); }))
        fault(fmt::format("{}/{}/type", pointer, place),
              fmt::format("{} cannot be the {} of {}: {}", *what, place, name, list_of(allowed)));
    }
    if (name == "SessionEvent" && action) session_rules(from, *action, pointer);
  }

  // The one event whose parts depend on its action.
  void session_rules(object const& from, std::string_view action, std::string const& pointer) {
    bool const timed_out = action == "TimedOut";
    auto const demand = [&](std::string_view place, std::string_view wanted) {
      auto const* const found = from.if_contains(place);
      if (found == nullptr || !found->is_object()) return;
      auto const type = json::text_at(found->get_object(), "type");
      if (type && !model_.has_supertype(*type, wanted) &&
          !(place == "actor" && model_.software_may_act))
        fault(fmt::format("{}/{}/type", pointer, place),
              fmt::format("of {} is a {}", action, wanted));
    };
    demand("actor", timed_out ? "SoftwareApplication" : "Person");
    demand("object", timed_out ? "Session" : "SoftwareApplication");
  }

  void entity(object const& from, std::string const& pointer,
              std::vector<std::string> const& wanted) {
    auto const name = json::text_at(from, "type");
    if (!name) return fault(pointer + "/type", "is required, and a string");
    if (*name == "TextPositionSelector") return;  // a selector is no entity: start and end
    auto const type = model_.entities.find(*name);
    if (type == model_.entities.end())
      return fault(pointer + "/type", fmt::format("{} is no type of Caliper 1.1", *name));
    if (!wanted.empty() && std::ranges::none_of(wanted, [&](auto const& w) {
          return type->second.supertypes.contains(w);
        }))
      fault(pointer + "/type",
            fmt::format("{} stands where {} is asked for", *name, fmt::join(wanted, " or ")));
    context(from, pointer, false);
    properties(from, type->second, *name, pointer, false);
  }

  void properties(object const& from, Type const& type, std::string_view name,
                  std::string const& pointer, bool event) {
    for (auto const& [key, property] : type.properties)
      if (property.use == Property::Use::required && !from.contains(key))
        fault(pointer + "/" + key, fmt::format("{} requires it", name));
    for (auto const& each : from) {
      std::string_view const key = each.key();
      if (key == "@context" || each.value().is_null()) continue;
      auto const inner = fmt::format("{}/{}", pointer, key);
      auto const property = type.properties.find(key);
      if (property == type.properties.end()) {
        fault(inner,
              fmt::format("{} has no such property; what is your own goes into extensions", name));
      } else if (property->second.use == Property::Use::not_applicable) {
        fault(inner, fmt::format("does not apply to {}", name));
      } else {
        // What may stand in the places of an event is its own table's business.
        auto const place = type.places.find(key);
        bool const by_place = event && place != type.places.end() && !place->second.empty();
        one(each.value(), property->second, inner, by_place);
      }
    }
  }

  void one(value const& v, Property const& property, std::string const& pointer, bool any_entity) {
    bool const iri_allowed = std::ranges::find(property.types, "IRI") != property.types.end();
    auto const& first = property.types.front();
    if (first == "Array") {
      if (!v.is_array()) return fault(pointer, "is not an array");
      std::size_t i = 0;
      for (auto const& each : v.get_array()) {
        if (each.is_object()) entity(each.get_object(), fmt::format("{}/{}", pointer, i), {});
        ++i;
      }
      return;
    }
    if (model_.entities.contains(first) || first == "TextPositionSelector") {
      if (v.is_object()) {
        std::vector<std::string> wanted;
        if (!any_entity)
          std::ranges::copy_if(property.types, std::back_inserter(wanted),
                               [](auto const& t) { return t != "IRI"; });
        return entity(v.get_object(), pointer,
                      first == "TextPositionSelector" ? std::vector<std::string>() : wanted);
      }
      if (!v.is_string())
        return fault(pointer, iri_allowed ? "is neither an entity nor an IRI" : "is not an entity");
      if (!is_iri(std::string_view(v.get_string()))) fault(pointer, "is not an absolute IRI");
      return;
    }
    scalar(v, first, pointer);
  }

  void scalar(value const& v, std::string_view type, std::string const& pointer) {
    auto const text = v.is_string() ? std::string_view(v.get_string()) : std::string_view();
    if (type == "integer") {
      if (!v.is_int64() && !v.is_uint64()) fault(pointer, "is not an integer");
    } else if (type == "decimal") {
      if (!v.is_number()) fault(pointer, "is not a number");
    } else if (type == "Boolean") {
      if (!v.is_bool()) fault(pointer, "is neither true nor false");
    } else if (type == "Object") {
      if (!v.is_object()) fault(pointer, "is not an object");
    } else if (!v.is_string()) {
      fault(pointer, "is not a string");
    } else if (type == "DateTime") {
      if (!is_time(text)) fault(pointer, time_rule);
    } else if (type == "Duration") {
      if (!is_duration(text)) fault(pointer, "is not an ISO 8601 duration like PT1H30M");
    } else if (type == "IRI") {
      if (!is_iri(text)) fault(pointer, "is not an absolute IRI");
    }
  }

  static constexpr char const* time_rule =
      "is not a time like 2026-11-21T19:00:00.000Z (UTC, milliseconds)";
  Model const& model_;
  std::vector<CaliperFault> faults_;
};

}  // namespace

CaliperValidator::CaliperValidator(std::unique_ptr<Model> model) : model_(std::move(model)) {}
CaliperValidator::CaliperValidator(CaliperValidator&&) noexcept = default;
CaliperValidator& CaliperValidator::operator=(CaliperValidator&&) noexcept = default;
CaliperValidator::~CaliperValidator() = default;

Result<CaliperValidator> CaliperValidator::load(std::string_view profile) {
  auto const parsed = json::parse(caliper_model_text());
  millrace::check(parsed && parsed->is_object(), "the embedded Caliper model is an object");
  auto const& top = parsed->get_object();
  auto model = std::make_unique<Model>();
  model->context = std::string(top.at("context").as_string());
  auto const& entities = top.at("entities").as_object();
  auto const& events = top.at("events").as_object();
  for (auto const& each : entities)
    resolve(entities, std::string_view(each.key()), model->entities);
  for (auto const& each : events) resolve(events, std::string_view(each.key()), model->events);
  if (profile.empty()) return CaliperValidator(std::move(model));

  auto const* const found = top.at("profiles").as_object().if_contains(profile);
  if (found == nullptr)
    return fail(Fault::missing, fmt::format("'{}': there is no such Caliper profile", profile));
  auto const& allowed = found->as_object();
  model->software_may_act = allowed.at("actors").as_object().contains("*");
  for (auto& [name, event] : model->events) {
    add_names(allowed.at("actors").as_object().if_contains("*"), event.places["actor"]);
    add_names(allowed.at("actions").as_object().if_contains(name), event.actions);
    add_names(allowed.at("objects").as_object().if_contains(name), event.places["object"]);
  }
  for (auto const& type : allowed.at("properties").as_object())
    for (auto const& each : type.value().as_object())
      model->entities.find(std::string_view(type.key()))
          ->second.properties.emplace(each.key(),
                                      property_of(std::string_view(each.value().as_string())));
  return CaliperValidator(std::move(model));
}

std::vector<CaliperFault> CaliperValidator::check(std::string_view json) const {
  return Check<Model>(*model_).document(json);
}

}  // namespace millrace::formats
