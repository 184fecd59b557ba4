#include "model/desired_stream.h"

#include <algorithm>
#include <boost/json.hpp>

#include "json/reader.h"
#include "json/write.h"

namespace millrace::model {
namespace {

constexpr std::int64_t most_number = INT64_MAX;

Error corrupt(std::string_view why) {
  return {Fault::corrupt, "stored data stream: " + std::string(why)};
}

// The types of the newest version are those of the stream itself.
void write_filters(json::Writer& out, DesiredStream const& desired) {
  out.key("filters").begin_array();
  for (auto const& filter : desired.filters) {
    out.begin_object().key("version").number(filter.version);
    out.key("from_batch").number(filter.from_batch);
    if (&filter != &desired.filters.back()) {
      out.key("account").text(filter.account).key("event_types").begin_array();
      for (auto const& type : filter.event_types) out.text(type);
      out.end_array();
    }
    out.end_object();
  }
  out.end_array();
}

std::string tombstone(DesiredStream const& desired) {
  json::Writer out;
  auto const& stream = desired.stream;
  out.begin_object().key("form").number(1).key("gone").flag(true);
  out.key("id").text(stream.id.text()).key("name").text(stream.name);
  out.key("account").text(stream.account).key("version").number(stream.version).end_object();
  return std::move(out).take();
}

Result<DesiredStream> read_tombstone(boost::json::object const& object) {
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(object, "", troubles);
  auto const id = StreamId::parse(json::text_at(object, "id").value_or(""));
  auto const name = json::text_at(object, "name");
  auto const account = json::text_at(object, "account");
  auto const version = fields.number("version", 1, most_number);
  if (!id || !name || !account || !version)
    return std::unexpected(corrupt("a deleted one lacks its id, name, account or version"));
  DesiredStream desired;
  desired.gone = true;
  desired.stream.id = *id;
  desired.stream.name = *name;
  desired.stream.account = *account;
  desired.stream.version = static_cast<std::uint64_t>(*version);
  return desired;
}

Result<void> read_filters(boost::json::object const& wanted, DesiredStream& desired) {
  auto const* const listed = wanted.if_contains("filters");
  if (listed == nullptr || !listed->is_array() || listed->get_array().empty())
    return std::unexpected(corrupt("has no filters"));
  for (auto const& item : listed->get_array()) {
    if (!item.is_object()) return std::unexpected(corrupt("a filter is not an object"));
    auto const& object = item.get_object();
    std::vector<json::FieldTrouble> troubles;
    json::Fields fields(object, "/filters", troubles);
    auto const version = fields.number("version", 1, most_number);
    auto const from = fields.number("from_batch", 1, most_number);
    FilterVersion filter{0, 0, desired.stream.event_types, desired.stream.account};
    if (&item != &listed->get_array().back()) {
      auto types = fields.texts("event_types", 1000, 255);
      auto const account = fields.text("account", 1, 255);
      if (!types || !account) return std::unexpected(corrupt("a filter lacks what it selects"));
      filter.event_types = std::move(*types);
      filter.account = *account;
    }
    if (!version || !from || !troubles.empty())
      return std::unexpected(corrupt("a filter lacks its version or batch"));
    filter.version = static_cast<std::uint64_t>(*version);
    filter.from_batch = static_cast<std::uint64_t>(*from);
    if (!desired.filters.empty() && desired.filters.back().from_batch >= filter.from_batch)
      return std::unexpected(corrupt("its filters are out of order"));
    desired.filters.push_back(std::move(filter));
  }
  return {};
}

}  // namespace

std::string to_stored(DesiredStream const& desired) {
  if (desired.gone) return tombstone(desired);
  auto text = to_stored(desired.stream);
  if (desired.filters.empty()) return text;
  json::Writer out;
  out.begin_object().key("start").number(desired.start);
  write_filters(out, desired);
  out.key("epoch").number(desired.resume.epoch);
  if (desired.resume.from_batch) out.key("resume_from").number(*desired.resume.from_batch);
  out.end_object();
  text.pop_back();
  return text.append(R"(,"desired":)").append(out.str()).append("}");
}

Result<DesiredStream> desired_from_stored(std::string_view json) {
  auto const document = json::parse(json, {.bytes = 4 * 1024 * 1024, .depth = 16});
  if (!document) return std::unexpected(corrupt(document.error().what));
  if (!document->is_object()) return std::unexpected(corrupt("is not an object"));
  auto const& object = document->get_object();
  if (object.contains("gone")) return read_tombstone(object);

  auto stream = from_stored(json);
  if (!stream) return pass(stream);
  DesiredStream desired{.stream = std::move(*stream)};
  if (!object.contains("desired")) return desired;
  auto const* const wanted = object.at("desired").if_object();
  if (wanted == nullptr) return std::unexpected(corrupt("what is desired is not an object"));
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*wanted, "/desired", troubles);
  auto const start = fields.number("start", 0, most_number);
  auto const epoch = fields.number("epoch", 0, most_number);
  auto const from = fields.number("resume_from", 1, most_number);
  if (!start || !epoch || !troubles.empty())
    return std::unexpected(corrupt("lacks where it begins"));
  if (auto read = read_filters(*wanted, desired); !read) return pass(read);
  desired.start = static_cast<std::uint64_t>(*start);
  desired.resume.epoch = static_cast<std::uint64_t>(*epoch);
  if (from) desired.resume.from_batch = static_cast<std::uint64_t>(*from);
  return desired;
}

}  // namespace millrace::model
