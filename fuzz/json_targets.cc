#include <boost/json/error.hpp>
#include <boost/json/parse.hpp>

#include "base/error.h"
#include "formats/canvas.h"
#include "json/reader.h"
#include "json/strict.h"
#include "model/data_stream.h"
#include "targets.h"

namespace millrace::fuzz {

void event(std::string_view input) {
  json::Parser parser;
  auto const split = json::split_event(input, parser);
  if (!split) return;
  std::string const name(split->event_name), account(split->account());
  check(!name.empty() && name.size() <= 255, "an accepted event has a name");
  check(split->metadata.data() >= input.data() &&
            split->metadata.data() + split->metadata.size() <= input.data() + input.size(),
        "metadata lies in the text");

  model::EventBlock block;
  block.add("account", name, split->metadata, split->body);
  auto const again = json::split_event(block[0].payload, parser);
  check(again.has_value(), "the stored form is an event itself");
  check(again->metadata == block[0].metadata() && again->body == block[0].body(),
        "both values stay byte for byte");
  check(again->event_name == name && again->account() == account, "both forms go the same way");

  auto const claims = formats::claims(block[0].payload, "issuer", from_unix_ms(0), EventId{});
  auto const members = parser.members(claims, {.bytes = 2 * 1024 * 1024});
  check(members && members->size() == 5, "the claims are the two values and three of ours");
}

void strict(std::string_view input) {
  json::Parser parser;
  constexpr json::Limits limits{.bytes = 1 << 20, .depth = 24};
  auto const ours = parser.validate(input, limits);
  boost::json::parse_options options;
  options.max_depth = 100;
  boost::system::error_code error;
  auto const tree =
      boost::json::parse(boost::json::string_view(input.data(), input.size()), error, {}, options);
  // RFC 8259 has no largest exponent; Boost.JSON has.
  bool const only_large = error == boost::json::error::exponent_overflow;
  if (ours) check(!error || only_large, "what is accepted here, another parser accepts");
  if (!ours && !error)
    check(ours.error().what.contains("nested deeper") || ours.error().what.contains("more than"),
          "what is refused here alone is a limit");
  if (ours) static_cast<void>(json::parse(input, limits));
}

void data_stream(std::string_view input) {
  constexpr std::string_view base =
      R"({"name":"n","account":"a","event_types":["x"],"delivery":{"method":"https","url":"https://e.example/"},"headers":{"X-A":"hidden-value"},
          "contact_email":"a@b"})";
  model::StreamRules const everything{true, true, true, true, true};
  auto const proven = [&](model::DataStream const& stream) {
    json::Parser parser;
    auto const back = model::from_stored(model::to_stored(stream));
    check(back.has_value() && *back == stream, "a stream comes back from its stored form");
    check(parser.validate(model::to_json(stream)).has_value(), "what is shown is JSON");
    auto const same = model::merged(stream, "{}", everything);
    check(same.has_value() && *same == stream, "an empty patch changes nothing");
  };
  if (auto const stream = model::parse_new(input, everything)) proven(*stream);
  auto const stream = model::parse_new(base, {});
  if (auto const patched = model::merged(*stream, input, everything)) {
    proven(*patched);
    check(!model::to_json(*patched).contains("hidden-value") || input.contains("hidden"),
          "a secret is not shown");
  }
}

}  // namespace millrace::fuzz
