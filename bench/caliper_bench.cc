// Question: what does it cost on one core to render a stored event in the Caliper format?
#include <benchmark/benchmark.h>

#include "formats/caliper.h"
#include "model/catalog.h"

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

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
