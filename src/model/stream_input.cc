#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>
#include <utility>

#include "json/reader.h"
#include "model/data_stream.h"
#include "model/stream_fields.h"

namespace millrace::model {
namespace {

constexpr json::Limits input_limits{.bytes = 512 * 1024, .depth = 16};

std::vector<FieldFault> told(std::vector<json::FieldTrouble> troubles) {
  std::vector<FieldFault> faults;
  for (auto& trouble : troubles)
    faults.push_back({std::move(trouble.field), std::move(trouble.message)});
  return faults;
}

std::expected<boost::json::object, std::vector<FieldFault>> parse_object(std::string_view text) {
  auto document = json::parse(text, input_limits);
  if (!document)
    return std::unexpected(std::vector{FieldFault{"", std::move(document.error().what)}});
  if (!document->is_object())
    return std::unexpected(std::vector{FieldFault{"", "is not a JSON object"}});
  return std::move(document->get_object());
}

// Takes what only Millrace writes out of an input, and complains of each.
void take_read_only(boost::json::object& input, std::vector<json::FieldTrouble>& troubles) {
  for (auto const* const key :
       {"id", "state", "state_reason", "region", "version", "created_at", "updated_at"})
    if (input.erase(key) != 0) troubles.push_back({std::string("/") + key, "is read-only"});
  auto* const delivery = input.if_contains("delivery");
  if (delivery == nullptr || !delivery->is_object()) return;
  if (delivery->get_object().erase("secret_access_key_set") != 0)
    troubles.push_back({"/delivery/secret_access_key_set", "is read-only"});
  auto* const tls = delivery->get_object().if_contains("tls");
  if (tls != nullptr && tls->is_object() && tls->get_object().erase("client_key_set") != 0)
    troubles.push_back({"/delivery/tls/client_key_set", "is read-only"});
}

// RFC 7396.
void merge(boost::json::value& target, boost::json::value const& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target.emplace_object();
  auto& object = target.get_object();
  for (auto const& [key, value] : patch.get_object()) {
    if (value.is_null()) {
      object.erase(key);
    } else {
      merge(object[key], value);
    }
  }
}

void drop_other_method(boost::json::object& user, boost::json::object const& patch) {
  auto const* const patched = patch.if_contains("delivery");
  auto* const delivery = user.if_contains("delivery");
  if (patched == nullptr || !patched->is_object() || delivery == nullptr || !delivery->is_object())
    return;
  auto const method = json::text_at(patched->get_object(), "method");
  auto const drop = [&](std::string_view key) {
    if (!patched->get_object().contains(key)) delivery->get_object().erase(key);
  };
  if (method == "https")
    for (auto const* const key : {"region", "access_key_id", "secret_access_key"}) drop(key);
  if (method == "sqs") drop("tls");
}

}  // namespace

std::expected<DataStream, std::vector<FieldFault>> parse_new(std::string_view json,
                                                             StreamRules rules) {
  auto input = parse_object(json);
  if (!input) return std::unexpected(std::move(input.error()));
  std::vector<json::FieldTrouble> troubles;
  take_read_only(*input, troubles);
  auto stream = read_user_part(*input, rules, troubles);
  if (!troubles.empty()) return std::unexpected(told(std::move(troubles)));
  return stream;
}

std::expected<DataStream, std::vector<FieldFault>> merged(DataStream const& stream,
                                                          std::string_view json,
                                                          StreamRules rules) {
  auto patch = parse_object(json);
  if (!patch) return std::unexpected(std::move(patch.error()));
  std::vector<json::FieldTrouble> troubles;
  take_read_only(*patch, troubles);

  auto stored = boost::json::parse(to_stored(stream));
  auto user = stored.at("user");
  merge(user, *patch);
  drop_other_method(user.get_object(), *patch);
  auto result = read_user_part(user.get_object(), rules, troubles);
  if (!troubles.empty()) return std::unexpected(told(std::move(troubles)));
  result.id = stream.id;
  result.state = stream.state;
  result.reason = stream.reason;
  result.version = stream.version;
  result.created_at = stream.created_at;
  result.updated_at = stream.updated_at;
  return result;
}

}  // namespace millrace::model
