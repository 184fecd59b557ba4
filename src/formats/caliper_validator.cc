#include "formats/caliper_validator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <vector>

#include "formats/caliper_grammar.h"
#include "formats/caliper_model.h"
#include "json/reader.h"

namespace millrace::formats {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Names = CaliperModel::Names;
using Property = CaliperModel::Property;
using Type = CaliperModel::Type;

constexpr std::size_t most_faults = 100;

std::string list_of(Names const& names) { return fmt::format("{}", fmt::join(names, ", ")); }

class Check {
 public:
  explicit Check(CaliperModel const& model) : model_(model) {}

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
      entity(from, pointer, nullptr);
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
    auto const action = json::text_at(from, "action");
    if (action && !type.actions.contains(*action))
      fault(pointer + "/action",
            fmt::format("{} is no action of {}: {}", *action, name, list_of(type.actions)));
    for (auto const& [place, allowed] : type.places) {
      if (allowed.empty()) continue;
      auto const* const found = from.if_contains(place);
      if (found == nullptr || !found->is_object()) continue;
      auto const what = json::text_at(found->get_object(), "type");
      if (what &&
          std::ranges::none_of(allowed, [&](auto const& a) { return model_.is_a(*what, a); }))
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
      if (type && !model_.is_a(*type, wanted) && !(place == "actor" && model_.software_may_act))
        fault(fmt::format("{}/{}/type", pointer, place),
              fmt::format("of {} is a {}", action, wanted));
    };
    demand("actor", timed_out ? "SoftwareApplication" : "Person");
    demand("object", timed_out ? "Session" : "SoftwareApplication");
  }

  void entity(object const& from, std::string const& pointer, Property const* wanted) {
    auto const name = json::text_at(from, "type");
    if (!name) return fault(pointer + "/type", "is required, and a string");
    auto const type = model_.entities.find(*name);
    if (type == model_.entities.end())
      return fault(pointer + "/type", fmt::format("{} is no type of Caliper 1.1", *name));
    if (wanted != nullptr && std::ranges::none_of(wanted->types, [&](auto const& w) {
          return type->second.supertypes.contains(w);
        }))
      fault(pointer + "/type",
            fmt::format("{} stands where {} is asked for", *name, names_of(*wanted)));
    context(from, pointer, false);
    properties(from, type->second, *name, pointer, false);
  }

  void properties(object const& from, Type const& type, std::string_view name,
                  std::string const& pointer, bool event) {
    for (auto const& [key, property] : type.properties) {
      if (property.use != Property::Use::required) continue;
      auto const* const found = from.if_contains(key);
      if (found == nullptr || found->is_null())
        fault(pointer + "/" + key, fmt::format("{} requires it", name));
    }
    for (auto const& each : from) {
      std::string_view const key = each.key();
      if (key == "@context" || each.value().is_null()) continue;
      auto const inner = fmt::format("{}/{}", pointer, key);
      auto const* const property = type.property(key);
      if (property == nullptr) {
        fault(inner,
              fmt::format("{} has no such property; what is your own goes into extensions", name));
      } else if (property->use == Property::Use::not_applicable) {
        fault(inner, fmt::format("does not apply to {}", name));
      } else {
        // What may stand in the places of an event is its own table's business.
        auto const place = type.places.find(key);
        bool const by_place = event && place != type.places.end() && !place->second.empty();
        one_or_many(each.value(), *property, inner, by_place);
      }
    }
  }

  void one_or_many(value const& v, Property const& property, std::string const& pointer,
                   bool any_entity) {
    if (!property.is_array) return one(v, property, pointer, any_entity);
    if (!v.is_array()) return fault(pointer, "is not an array");
    std::size_t i = 0;
    for (auto const& each : v.get_array())
      one(each, property, fmt::format("{}/{}", pointer, i++), any_entity);
  }

  void one(value const& v, Property const& property, std::string const& pointer, bool any_entity) {
    auto const& first = property.types.front();
    if (auto const selector = model_.values.find(first); selector != model_.values.end())
      return plain_object(v, selector->second, first, pointer);
    if (auto const terms = model_.terms.find(first); terms != model_.terms.end())
      return term(v, terms->second, first, pointer);
    if (!model_.entities.contains(first)) return scalar(v, first, pointer);
    if (v.is_object()) return entity(v.get_object(), pointer, any_entity ? nullptr : &property);
    bool const iri_allowed = property.takes("IRI");
    if (!v.is_string())
      return fault(pointer, iri_allowed ? "is neither an entity nor an IRI" : "is not an entity");
    if (!is_iri(std::string_view(v.get_string()))) fault(pointer, "is not an absolute IRI");
  }

  // An object of a fixed type that is no entity.
  void plain_object(value const& v, Type const& type, std::string_view name,
                    std::string const& pointer) {
    if (!v.is_object()) return fault(pointer, fmt::format("is not a {}", name));
    auto const given = json::text_at(v.get_object(), "type");
    if (given && *given != name)
      fault(pointer + "/type", fmt::format("{} stands where {} is asked for", *given, name));
    properties(v.get_object(), type, name, pointer, false);
  }

  void term(value const& v, Names const& known, std::string_view vocabulary,
            std::string const& pointer) {
    if (!v.is_string()) return fault(pointer, "is not a string");
    std::string_view const text = v.get_string();
    if (!known.contains(text))
      fault(pointer, fmt::format("{} is no {} of Caliper 1.1", text, vocabulary));
  }

  void scalar(value const& v, std::string_view type, std::string const& pointer) {
    auto const text = v.is_string() ? std::string_view(v.get_string()) : std::string_view();
    if (type == "integer" || type == "index") {
      if (!is_integer(v))
        fault(pointer, "is not an integer");
      else if (type == "index" && v.to_number<double>() < 0)
        fault(pointer, "is less than 0");
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
    } else if (type == "UUID") {
      if (!is_uuid_urn(text)) fault(pointer, "is not urn:uuid: and a UUID");
    }
  }

  // JSON knows one kind of number: 2.0 is the integer 2.
  static bool is_integer(value const& v) {
    return v.is_int64() || v.is_uint64() ||
           (v.is_double() && std::trunc(v.get_double()) == v.get_double());
  }

  static std::string names_of(Property const& property) {
    std::vector<std::string_view> names;
    for (auto const& type : property.types)
      if (type != "IRI") names.push_back(type);
    return fmt::format("{}", fmt::join(names, " or "));
  }

  static constexpr char const* time_rule =
      "is not a time like 2026-11-21T19:00:00.000Z (UTC, milliseconds)";
  CaliperModel const& model_;
  std::vector<CaliperFault> faults_;
};

}  // namespace

CaliperValidator::CaliperValidator(std::unique_ptr<CaliperModel const> model)
    : model_(std::move(model)) {}
CaliperValidator::CaliperValidator(CaliperValidator&&) noexcept = default;
CaliperValidator& CaliperValidator::operator=(CaliperValidator&&) noexcept = default;
CaliperValidator::~CaliperValidator() = default;

Result<CaliperValidator> CaliperValidator::load(std::string_view profile) {
  auto model = CaliperModel::load(profile);
  if (!model) return pass(model);
  return CaliperValidator(std::make_unique<CaliperModel const>(std::move(*model)));
}

std::vector<CaliperFault> CaliperValidator::check(std::string_view json) const {
  return Check(*model_).document(json);
}

}  // namespace millrace::formats
