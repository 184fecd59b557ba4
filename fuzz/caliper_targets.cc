#include "base/error.h"
#include "formats/caliper.h"
#include "formats/caliper_validator.h"
#include "json/strict.h"
#include "targets.h"

namespace millrace::fuzz {
namespace {

struct Caliper {
  model::Catalog catalog = model::Catalog::load();
  formats::CaliperRenderer renderer = std::move(*formats::CaliperRenderer::make(catalog));
  formats::CaliperValidator strict = std::move(*formats::CaliperValidator::load());
  formats::CaliperValidator canvas = std::move(*formats::CaliperValidator::load("canvas"));
};
// Loading takes longer than a thousand inputs.
Caliper const& caliper_parts() {
  static Caliper const parts;
  return parts;
}

void hold(std::vector<formats::CaliperFault> const& faults) {
  check(faults.size() <= 100, "at most 100 faults are told");
  for (auto const& fault : faults)
    check(!fault.rule.empty() && (fault.pointer.empty() || fault.pointer.starts_with('/')),
          "a fault has its place and its rule");
}

}  // namespace

void caliper(std::string_view input) {
  json::Parser parser;
  auto const split = json::split_event(input, parser);
  if (!split) return;
  auto const& [catalog, renderer, strict, canvas] = caliper_parts();
  model::EventBlock block;
  block.add("account", split->event_name, split->metadata, split->body);
  // Whatever the event says it is, its values must do no harm in the form of any.
  for (auto const& event : catalog.events()) {
    auto const once =
        renderer.render(event.name, block[0], from_unix_ms(1'795'287'912'000), EventId{});
    check(once.has_value() ||
              once.error().fault == (event.caliper.empty() ? Fault::missing : Fault::invalid),
          "an event without form, or without its id, is told as such");
    if (!once) continue;
    check(json::Parser().validate(*once, {.bytes = 64 << 20, .depth = 200}).has_value(),
          "a rendered event is JSON");
    check(
        *once == *renderer.render(event.name, block[0], from_unix_ms(1'795'287'912'000), EventId{}),
        "an event is rendered to the same bytes each time");
    if (event.name == split->event_name) hold(canvas.check(*once));
  }
}

void caliper_check(std::string_view input) {
  auto const found = caliper_parts().strict.check(input);
  auto const allowed = caliper_parts().canvas.check(input);
  hold(found);
  hold(allowed);
  check(found.size() >= allowed.size(), "a profile only allows more");
  if (!json::Parser().validate(input, {.bytes = 4 << 20, .depth = 64}))
    check(!found.empty(), "what is no JSON does not conform");
}

}  // namespace millrace::fuzz
