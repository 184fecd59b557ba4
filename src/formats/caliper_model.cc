#include "formats/caliper_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "json/reader.h"

namespace millrace::formats {
namespace {

using boost::json::object;
using boost::json::value;
using Property = CaliperModel::Property;
using Type = CaliperModel::Type;
using Types = CaliperModel::Types;

Property::Use use_of(char mark) {
  switch (mark) {
    case '!':
      return Property::Use::required;
    case '-':
      return Property::Use::not_applicable;
    case '~':
      return Property::Use::deprecated;
    default:
      return Property::Use::optional;
  }
}

Property property_of(std::string_view text) {
  Property made;
  made.use = use_of(text.back());
  if (made.use != Property::Use::optional) text.remove_suffix(1);
  made.is_array = text.starts_with('[');
  if (made.is_array) text = text.substr(1, text.size() - 2);
  for (std::size_t at = 0; at <= text.size();) {
    auto const end = std::min(text.find('/', at), text.size());
    made.types.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return made;
}

void add_properties(value const* from, Type& to) {
  if (from == nullptr) return;
  for (auto const& each : from->as_object())
    to.properties.insert_or_assign(std::string(each.key()),
                                   property_of(std::string_view(each.value().as_string())));
}

void add_names(value const* from, CaliperModel::Names& to) {
  if (from == nullptr) return;
  for (auto const& each : from->as_array()) to.emplace(each.as_string());
}

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
  add_properties(from.if_contains("has"), type);
  add_names(from.if_contains("actors"), type.places["actor"]);
  add_names(from.if_contains("objects"), type.places["object"]);
  add_names(from.if_contains("generated"), type.places["generated"]);
  add_names(from.if_contains("target"), type.places["target"]);
  add_names(from.if_contains("actions"), type.actions);
  return made.emplace(std::string(name), std::move(type)).first->second;
}

void resolve_all(object const& from, Types& to) {
  for (auto const& each : from) resolve(from, std::string_view(each.key()), to);
}

void allow(object const& profile, CaliperModel& model) {
  auto const& actors = profile.at("actors").as_object();
  model.software_may_act = actors.contains("*");
  for (auto& [name, event] : model.events) {
    add_names(actors.if_contains("*"), event.places["actor"]);
    add_names(profile.at("actions").as_object().if_contains(name), event.actions);
    add_names(profile.at("objects").as_object().if_contains(name), event.places["object"]);
  }
  for (auto const& type : profile.at("properties").as_object())
    add_properties(&type.value(), model.entities.find(std::string_view(type.key()))->second);
}

}  // namespace

bool Property::takes(std::string_view type) const {
  return std::ranges::find(types, type) != types.end();
}

Property const* Type::property(std::string_view name) const {
  auto const found = properties.find(name);
  return found == properties.end() ? nullptr : &found->second;
}

bool CaliperModel::is_a(std::string_view type, std::string_view wanted) const {
  auto const found = entities.find(type);
  return found != entities.end() && found->second.supertypes.contains(wanted);
}

Result<CaliperModel> CaliperModel::load(std::string_view profile) {
  auto const parsed = json::parse(caliper_model_text());
  millrace::check(parsed && parsed->is_object(), "the embedded Caliper model is an object");
  auto const& top = parsed->get_object();
  CaliperModel model;
  model.context = std::string(top.at("context").as_string());
  resolve_all(top.at("entities").as_object(), model.entities);
  resolve_all(top.at("events").as_object(), model.events);
  resolve_all(top.at("values").as_object(), model.values);
  for (auto const& each : top.at("terms").as_object())
    add_names(&each.value(), model.terms[std::string(each.key())]);
  if (profile.empty()) return model;

  auto const* const found = top.at("profiles").as_object().if_contains(profile);
  if (found == nullptr)
    return fail(Fault::missing, fmt::format("'{}': there is no such Caliper profile", profile));
  allow(found->as_object(), model);
  return model;
}

}  // namespace millrace::formats
