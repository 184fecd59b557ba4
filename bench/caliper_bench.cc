// Question: what does it cost on one core to render a stored event in the Caliper format, to check what came out (caliper.validate), and
// to look at the fields of an event for the drift report?
#include <benchmark/benchmark.h>

#include "formats/caliper.h"
#include "formats/caliper_validator.h"
#include "model/catalog.h"
#include "model/drift.h"

namespace millrace {
namespace {

void caliper_renders(benchmark::State& state, std::string const& type) {
  auto const catalog = model::Catalog::load();
  auto const renderer = formats::CaliperRenderer::make(catalog);
  auto const* const event = catalog.find(type);
  model::EventBlock block;
  block.add("account", type, event->metadata, event->body);
  EventId const id{Uuid::v7(from_unix_ms(1'795'288'567'123), 1, 2)};
  std::size_t bytes = 0;
  for (auto _ : state) {
    auto rendered = renderer->render(type, block[0], from_unix_ms(1'795'288'567'123), id);
    bytes += rendered->size();
    benchmark::DoNotOptimize(rendered);
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes_out"] =
      benchmark::Counter(static_cast<double>(bytes), benchmark::Counter::kAvgIterations);
}
BENCHMARK_CAPTURE(caliper_renders, asset_accessed, "asset_accessed");
BENCHMARK_CAPTURE(caliper_renders, grade_change, "grade_change");
BENCHMARK_CAPTURE(caliper_renders, submission_created, "submission_created");
BENCHMARK_CAPTURE(caliper_renders, assignment_updated, "assignment_updated");
BENCHMARK_CAPTURE(caliper_renders, enrollment_updated, "enrollment_updated");

void caliper_is_checked(benchmark::State& state) {
  auto const catalog = model::Catalog::load();
  auto const renderer = formats::CaliperRenderer::make(catalog);
  auto const validator = formats::CaliperValidator::load("canvas");
  auto const* const event = catalog.find("grade_change");
  model::EventBlock block;
  block.add("account", event->name, event->metadata, event->body);
  auto const text =
      renderer->render(event->name, block[0], from_unix_ms(1'795'288'567'123), EventId{});
  for (auto _ : state) benchmark::DoNotOptimize(validator->check(*text));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(caliper_is_checked);

void drift_looks_at_an_event(benchmark::State& state) {
  auto const catalog = model::Catalog::load();
  model::Drift drift(catalog);
  auto const* const event = catalog.find("submission_created");
  model::EventBlock block;
  block.add("account", event->name, event->metadata, event->body);
  for (auto _ : state)
    drift.saw_fields(block.kinds()[0].kind, block[0], EventId{}, from_unix_ms(1'795'288'567'123));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(drift_looks_at_an_event);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
